using System;
using System.Collections;
using System.Collections.Generic;
using System.IO;
using Microsoft.Build.Framework;
using ModelCompression.Build.Diagnostics;

namespace ModelCompression.Build.Items;

/// <summary>Turns MSBuild items into <see cref="ModelItem"/>s. Reads metadata and asks whether files exist, nothing else.</summary>
internal sealed class ModelItemReader(string projectDirectory, string outputDirectory)
{
    /// <summary>Metadata that say where a file goes or how a tool shows it; everything else is a compression setting.</summary>
    private static readonly HashSet<string> NotSettings = new(StringComparer.OrdinalIgnoreCase)
    {
        "TargetPath", "Link", "LinkBase", "CopyToOutputDirectory", "CopyToPublishDirectory", "ExcludeFromSingleFile", "Visible", "Pack", "PackagePath",
        "PackageCopyToOutput", "BuildAction", "DependentUpon", "SubType", "Generator", "LastGenOutput", "CustomToolNamespace", "InProject", "Watch",
        "IsImplicitlyDefined", "OriginalItemSpec", "MSBuildSourceProjectFile", "MSBuildSourceTargetName", "NuGetPackageId", "NuGetPackageVersion",
    };

    private static readonly string[] CopyModes = ["Never", "PreserveNewest", "IfDifferent", "Always"];

    private static readonly string[] DataNames = ["CalibrationData", "TrainingData", "ValidationData"];

    /// <summary>Name of the private metadata that keeps <c>%(DefiningProjectFullPath)</c> of the original item.</summary>
    public const string DefiningFileMetadata = "_DefiningFile";

    public static List<RuleItem> ReadRules(ITaskItem[] items)
    {
        var rules = new List<RuleItem>(items.Length);
        foreach (var item in items)
        {
            var settings = ReadSettings(item);
            var models = PathText.List(Escaped(item, "Model"));
            settings.Remove("Model");
            rules.Add(new RuleItem(item.ItemSpec, Normalized(models), settings, item.GetMetadata(DefiningFileMetadata)));
        }
        return rules;
    }

    /// <summary>Reads the items in order; an item that repeats an earlier one exactly is dropped.</summary>
    public List<ModelItem> ReadModels(ITaskItem[] items, List<RuleItem> rules)
    {
        var models = new List<ModelItem>(items.Length);
        var byOutput = new Dictionary<string, ModelItem>(StringComparer.OrdinalIgnoreCase);
        foreach (var item in items)
        {
            var model = ReadModel(item, rules);
            if (byOutput.TryGetValue(model.OutputPath, out var earlier))
            {
                if (IsRepetition(earlier, model)) continue;
                ReportConflict(earlier, model);
            }
            else
            {
                byOutput.Add(model.OutputPath, model);
            }
            models.Add(model);
        }
        return models;
    }

    private ModelItem ReadModel(ITaskItem item, List<RuleItem> rules)
    {
        var source = item.GetMetadata("FullPath");
        var requested = item.GetMetadata("TargetPath");
        var target = PathText.Contained(requested);
        var model = new ModelItem
        {
            Identity = PathText.Relative(projectDirectory, source),
            SourcePath = source,
            Spec = item.ItemSpec,
            TargetPath = target ?? Path.GetFileName(source),
            DefiningFile = item.GetMetadata(DefiningFileMetadata),
            Settings = ReadSettings(item),
            Data = ReadData(item),
        };
        model.OutputPath = Path.GetFullPath(Path.Combine(outputDirectory, model.TargetPath));
        model.Rules = rules.FindAll(rule => rule.AppliesTo(model.Identity));
        model.Problem = target is null ? BuildDiagnostics.DestinationOutside(model.Identity, requested)
            : requested[requested.Length - 1] is '/' or '\\' ? BuildDiagnostics.DestinationIsFolder(model.Identity, requested)
            : UnknownCopyMode(item, model.Identity)
            ?? (File.Exists(source) ? null : BuildDiagnostics.MissingModel(model.Identity, Directory.Exists(source)));
        return model;
    }

    /// <summary>The SDK takes any other word for "do not copy", and the model would be missing when the app starts.</summary>
    private static ModelProblem? UnknownCopyMode(ITaskItem item, string identity)
    {
        foreach (var name in new[] { "CopyToOutputDirectory", "CopyToPublishDirectory" })
        {
            var mode = item.GetMetadata(name).Trim();
            if (mode.Length > 0 && Array.FindIndex(CopyModes, m => m.Equals(mode, StringComparison.OrdinalIgnoreCase)) < 0)
                return BuildDiagnostics.UnknownName(identity, name, mode, string.Join(", ", CopyModes));
        }
        return null;
    }

    private static SortedDictionary<string, string> ReadSettings(ITaskItem item)
    {
        var settings = new SortedDictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (DictionaryEntry entry in item.CloneCustomMetadata())
        {
            var name = (string)entry.Key;
            var value = ((string?)entry.Value ?? "").Trim();
            if (value.Length > 0 && name[0] != '_' && !NotSettings.Contains(name)) settings.Add(name, value);
        }
        return settings;
    }

    private List<DataSetting> ReadData(ITaskItem item)
    {
        var data = new List<DataSetting>();
        foreach (var name in DataNames)
        {
            var paths = new List<DataPath>();
            foreach (var text in PathText.List(Escaped(item, name)))
                paths.Add(new DataPath(text.Replace('\\', '/'), Path.GetFullPath(Path.Combine(projectDirectory, Native(text)))));
            if (paths.Count > 0) data.Add(new DataSetting(name, paths));
        }
        return data;
    }

    private static bool IsRepetition(ModelItem a, ModelItem b)
    {
        if (a.SourcePath != b.SourcePath || a.Settings.Count != b.Settings.Count) return false;
        foreach (var setting in a.Settings)
            if (!b.Settings.TryGetValue(setting.Key, out var value) || value != setting.Value) return false;
        return true;
    }

    private static void ReportConflict(ModelItem first, ModelItem second)
    {
        first.Problem ??= BuildDiagnostics.SameDestination(first, second);
        second.Problem ??= BuildDiagnostics.SameDestination(second, first);
    }

    private static string Escaped(ITaskItem item, string name) =>
        item is ITaskItem2 escapable ? escapable.GetMetadataValueEscaped(name) : item.GetMetadata(name);

    private static List<string> Normalized(IReadOnlyList<string> patterns)
    {
        var normalized = new List<string>(patterns.Count);
        foreach (var pattern in patterns)
        {
            var text = pattern.Replace('\\', '/');
            normalized.Add(text.StartsWith("./", StringComparison.Ordinal) ? text.Substring(2) : text);
        }
        return normalized;
    }

    private static string Native(string path) => Path.DirectorySeparatorChar == '/' ? path.Replace('\\', '/') : path;
}
