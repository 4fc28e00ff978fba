using System;
using System.Collections.Generic;
using System.IO;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;
using ModelCompression.Build.Diagnostics;
using ModelCompression.Build.Items;
using ModelCompression.Build.State;

namespace ModelCompression.Build;

/// <summary>
/// Finds the models whose results no longer hold. The only part that runs in a build with nothing to do, so it starts no process and writes
/// nothing then.
/// </summary>
[MSBuildMultiThreadableTask]
public sealed class FindStaleModels : ModelTask, IIncrementalTask
{
    /// <summary>The user's own worker.</summary>
    public string? WorkerOverride { get; set; }

    /// <summary>True for a project with several target frameworks or a runtime identifier: its results may be shared between them.</summary>
    public bool CanShare { get; set; }

    /// <summary>Global properties that select a framework or a runtime but do not change the models.</summary>
    public string[] SharingProperties { get; set; } = [];

    /// <summary>The models to compress, by identity.</summary>
    [Output]
    public ITaskItem[] StaleModels { get; set; } = [];

    /// <summary>True when another instance of this project, without the <see cref="SharingProperties"/>, should do the work.</summary>
    [Output]
    public bool Share { get; set; }

    /// <summary>True when no model is stale but one is gone, so that the page with all models must be written again.</summary>
    [Output]
    public bool PageIsOld { get; set; }

    /// <summary>Set by MSBuild in a build that only asks whether there is anything to do.</summary>
    public bool FailIfNotIncremental { get; set; }

    /// <inheritdoc />
    public override bool Execute()
    {
        if (!ReadParameters(WorkerOverride)) return false;
        try
        {
            return Find();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Diagnostics.Error(BuildDiagnostics.UnwritableOutputCode, ProjectFile, 0, 0, BuildDiagnostics.UnwritableOutput(OutputDirectory, e.Message));
            return false;
        }
    }

    private bool Find()
    {
        WarnAboutRules();
        var workerHash = WorkerIdentity.Compute(EffectiveWorkerPath, OutputDirectory, remember: !FailIfNotIncremental);
        var stale = new List<ITaskItem>();
        var listing = ListOutputs((model, state) =>
        {
            var reason = ReasonToCompress(model, workerHash, state, out var restamped);
            if (reason is null)
            {
                if (restamped && !FailIfNotIncremental) state!.Write(model.StatePath);
                if (!FailIfNotIncremental) RepeatWarnings(state!);
                return true;
            }
            Report(model, reason);
            stale.Add(new TaskItem(EscapedIdentity(model)));
            return false;
        });
        UpdateIndex(listing);
        StaleModels = [.. stale];
        PageIsOld &= stale.Count == 0;
        CompressedModels = stale.Count == 0 && !PageIsOld ? [.. listing.Results] : [];
        Share = stale.Count > 0 && CanShare && HasSharingProperty();
        return !Log.HasLoggedErrors;
    }

    private void Report(ModelItem model, string reason)
    {
        if (FailIfNotIncremental)
            Diagnostics.Error(BuildDiagnostics.NotUpToDateCode, model.DefiningFile, 0, 0, BuildDiagnostics.NotUpToDate(model.Identity, reason));
        else if (model.Problem is null)
            Log.LogMessage(MessageImportance.Low, "{0}: to be compressed because {1}.", model.Identity, reason);
    }

    private void WarnAboutRules()
    {
        foreach (var rule in RuleItems)
        {
            if (rule.Models.Count == 0 || ModelItems.Exists(model => model.Rules.Count > 0 && Contains(model.Rules, rule))) continue;
            var (line, column) = new ProjectLocations().Find(rule.DefiningFile, "CompressModelRule", rule.Identity);
            Diagnostics.Warning(BuildDiagnostics.RuleWithoutModelCode, rule.DefiningFile, line, column, BuildDiagnostics.RuleWithoutModel(rule.Identity, string.Join(";", rule.Models)));
        }
    }

    private void UpdateIndex(OutputListing listing)
    {
        var index = new OutputIndex(OutputDirectory);
        if (FailIfNotIncremental)
        {
            foreach (var orphan in index.Orphans(listing.Files))
                Diagnostics.Error(BuildDiagnostics.NotUpToDateCode, ProjectFile, 0, 0, BuildDiagnostics.NotUpToDate(orphan, "no CompressModel item makes it any more"));
            return;
        }
        var orphans = listing.Update(index);
        RemovedFiles = ToItems(orphans);
        PageIsOld = orphans.Count > 0 && HasPage;
        // Better no page than one with models that are gone, if nothing comes to write it.
        if (PageIsOld) File.Delete(Path.Combine(OutputDirectory, PageName));
    }

    private bool HasSharingProperty()
    {
        if (BuildEngine is not IBuildEngine6 engine) return false;
        var properties = engine.GetGlobalProperties();
        return Array.Exists(SharingProperties, name => properties.TryGetValue(name, out var value) && value.Length > 0);
    }

    private static bool Contains(IReadOnlyList<RuleItem> rules, RuleItem rule)
    {
        foreach (var candidate in rules)
            if (ReferenceEquals(candidate, rule)) return true;
        return false;
    }

    private static string EscapedIdentity(ModelItem model) => PathText.Escape(model.OutputPath);
}
