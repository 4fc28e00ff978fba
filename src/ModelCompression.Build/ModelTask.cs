using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Reflection;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;
using ModelCompression.Build.Diagnostics;
using ModelCompression.Build.Items;
using ModelCompression.Build.State;
using ModelCompression.Build.Worker;

namespace ModelCompression.Build;

/// <summary>What the two tasks share: the items, where results go, and which worker makes them.</summary>
public abstract class ModelTask : Task
{
    private static readonly string AssemblyVersion =
        typeof(ModelTask).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";

    /// <summary>The models, with <c>TargetPath</c> assigned.</summary>
    [Required]
    public ITaskItem[] Models { get; set; } = [];

    /// <summary>The <c>CompressModelRule</c> items.</summary>
    public ITaskItem[] Rules { get; set; } = [];

    /// <summary>The project being built.</summary>
    [Required]
    public string ProjectFile { get; set; } = "";

    /// <summary>Where results are made, absolute.</summary>
    [Required]
    public string OutputDirectory { get; set; } = "";

    /// <summary>The report formats, a list.</summary>
    public string Reports { get; set; } = "";

    /// <summary>The worker of the package, or the user's own.</summary>
    [Required]
    public string WorkerPath { get; set; } = "";

    /// <summary>Lock file with the hashes of results.</summary>
    public string? LockFile { get; set; }

    /// <summary>Whether a result that differs from the lock file is an error.</summary>
    public bool LockedMode { get; set; }

    /// <summary>Results: full paths, with <c>SourceModel</c>, <c>OriginalBytes</c>, <c>CompressedBytes</c>, <c>Sha256</c> and <c>Report</c>.</summary>
    [Output]
    public ITaskItem[] CompressedModels { get; set; } = [];

    /// <summary>Former results that were deleted, relative to the output directory.</summary>
    [Output]
    public ITaskItem[] RemovedFiles { get; set; } = [];

    private protected string ProjectDirectory => Path.GetDirectoryName(ProjectFile)!;

    private protected static string ToolVersion => AssemblyVersion;

    private protected DiagnosticLog Diagnostics => new(Log);

    /// <summary>Worker actually used: the property wins over the environment, which wins over the package.</summary>
    private protected string EffectiveWorkerPath { get; private set; } = "";

    private protected List<string> ReportNames { get; private set; } = [];

    private protected List<RuleItem> RuleItems { get; private set; } = [];

    private protected List<ModelItem> ModelItems { get; private set; } = [];

    private protected Staleness Staleness { get; private set; } = null!;

    /// <summary>Reads the parameters; false when one makes no sense.</summary>
    private protected bool ReadParameters(string? workerOverride)
    {
        OutputDirectory = Path.GetFullPath(OutputDirectory);
        var worker = !string.IsNullOrWhiteSpace(workerOverride) ? workerOverride! : DotNetHost.WorkerFromEnvironment() is { Length: > 0 } fromEnvironment ? fromEnvironment : WorkerPath;
        EffectiveWorkerPath = Path.GetFullPath(Path.Combine(ProjectDirectory, worker));
        if (!ReadReports() || !CheckLock()) return false;
        var reader = new ModelItemReader(ProjectDirectory, OutputDirectory);
        RuleItems = ModelItemReader.ReadRules(Rules);
        ModelItems = reader.ReadModels(Models, RuleItems);
        Staleness = new Staleness(ProjectDirectory, OutputDirectory);
        ReadLock();
        return true;
    }

    private protected string KeyOf(ModelItem model, string workerHash) => StateKey.Write(model, ReportNames, ToolVersion, workerHash, Locked.KeyOf(model));

    /// <summary>What the lock file says now; the worker changes it.</summary>
    private protected LockedEntries Locked { get; private set; } = null!;

    private protected string? LockFilePath => string.IsNullOrWhiteSpace(LockFile) ? null : Path.GetFullPath(Path.Combine(ProjectDirectory, LockFile!.Trim()));

    private protected void ReadLock() => Locked = new LockedEntries(LockFilePath, LockedMode, ProjectFile);

    /// <summary>Why a model must go to the worker, or null.</summary>
    private protected string? ReasonToCompress(ModelItem model, string workerHash, ModelState? state, out bool restamped) =>
        Staleness.ReasonToCompress(model, KeyOf(model, workerHash), state, out restamped) ?? Locked.ReasonToCompress(model);

    /// <summary>Says again what was said when the result was made.</summary>
    private protected void RepeatWarnings(ModelState state)
    {
        foreach (var warning in state.Warnings) warning.Log(Diagnostics, ProjectDirectory);
    }

    private protected ITaskItem ToItem(ModelItem model, ModelState state)
    {
        var item = new TaskItem(PathText.Escape(model.OutputPath));
        item.SetMetadata("SourceModel", PathText.Escape(model.Identity));
        item.SetMetadata("OriginalBytes", state.OriginalBytes.ToString(CultureInfo.InvariantCulture));
        item.SetMetadata("CompressedBytes", state.CompressedBytes.ToString(CultureInfo.InvariantCulture));
        item.SetMetadata("Sha256", state.Sha256);
        item.SetMetadata("Report", state.Reports.Count == 0 ? "" : PathText.Escape(Path.GetFullPath(Path.Combine(OutputDirectory, state.Reports[0]))));
        item.SetMetadata("TargetPath", PathText.Escape(model.TargetPath));
        if (state.Outputs.Count > 1) item.SetMetadata("AdditionalOutputs", string.Join(";", state.AdditionalOutputs.Select(PathText.Escape)));
        return item;
    }

    /// <summary>Goes through the models: those with a valid result become items, and every file that belongs to one is listed.</summary>
    /// <param name="holds">True for a model whose result is valid.</param>
    private protected OutputListing ListOutputs(Func<ModelItem, ModelState?, bool> holds)
    {
        var listing = new OutputListing();
        foreach (var model in ModelItems)
        {
            var state = ModelState.Read(model.StatePath);
            AddFiles(listing.Files, model, state);
            if (state is not null) listing.Additional.AddRange(state.AdditionalOutputs);
            if (holds(model, state)) listing.Results.Add(ToItem(model, state!));
        }
        if (HasPage) listing.Files.Add(PageName);
        return listing;
    }

    /// <summary>Every file that belongs to a model, relative to the output directory.</summary>
    private void AddFiles(ICollection<string> files, ModelItem model, ModelState? state)
    {
        files.Add(model.TargetPath);
        files.Add(PathText.Relative(OutputDirectory, model.StatePath));
        foreach (var report in ReportNames) files.Add(model.TargetPath + ModelReport.Suffix(report));
        if (state is null) return;
        foreach (var output in state.AdditionalOutputs) files.Add(output);
    }

    private protected const string PageName = "compression-report.html";

    /// <summary>True if there is a page that lists the models of the project.</summary>
    private protected bool HasPage => ModelItems.Count > 1 && ReportNames.Contains("Html") && ReportNames.Contains("Json");

    private protected static ITaskItem[] ToItems(List<string> files) => [.. files.ConvertAll(file => new TaskItem(PathText.Escape(file)))];

    private bool CheckLock()
    {
        if (!LockedMode || LockFilePath is not null) return true;
        Diagnostics.Error(BuildDiagnostics.NoLockFileCode, ProjectFile, 0, 0, BuildDiagnostics.NoLockFile);
        return false;
    }

    private bool ReadReports()
    {
        foreach (var name in Reports.Split([';', ','], StringSplitOptions.RemoveEmptyEntries))
        {
            var trimmed = name.Trim();
            if (trimmed.Length == 0 || trimmed.Equals("None", StringComparison.OrdinalIgnoreCase)) continue;
            var known = Array.Find(ModelReport.Formats, format => format.Equals(trimmed, StringComparison.OrdinalIgnoreCase));
            if (known is null)
            {
                Diagnostics.Error(BuildDiagnostics.InvalidPropertyCode, ProjectFile, 0, 0, BuildDiagnostics.InvalidProperty("ModelCompressionReports", Reports, "a list of Json, Html and Markdown, or None"));
                return false;
            }
            if (!ReportNames.Contains(known)) ReportNames.Add(known);
        }
        return true;
    }
}
