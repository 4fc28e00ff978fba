using System.Collections.Generic;
using ModelCompression.Build.Items;
using ModelCompression.Build.Json;

namespace ModelCompression.Build.Worker;

/// <summary>What the worker is asked to do; docs/worker-protocol.md describes the text.</summary>
internal sealed class WorkerRequest
{
    public const int ProtocolVersion = 1;

    public string ToolVersion { get; set; } = "";

    public string ProjectFile { get; set; } = "";

    public string ProjectDirectory { get; set; } = "";

    public string OutputDirectory { get; set; } = "";

    public string ResponseFile { get; set; } = "";

    public int Threads { get; set; } = 1;

    public int ParentProcessId { get; set; }

    public IReadOnlyList<string> Reports { get; set; } = [];

    public string? CachePath { get; set; }

    public string? LockFile { get; set; }

    public bool LockedMode { get; set; }

    /// <summary>Destinations of all models of the project, those with nothing to do as well.</summary>
    public IReadOnlyList<string> Targets { get; set; } = [];

    public IReadOnlyList<ModelItem> Models { get; set; } = [];

    public string ToJson(ProjectLocations locations)
    {
        var json = new JsonText();
        json.Object().Value("protocolVersion", ProtocolVersion).Value("toolVersion", ToolVersion);
        json.Value("projectFile", ProjectFile).Value("projectDirectory", ProjectDirectory).Value("outputDirectory", OutputDirectory).Value("responseFile", ResponseFile);
        json.Value("threads", Threads).Value("parentProcessId", ParentProcessId);
        json.Value("cachePath", CachePath).Value("lockFile", LockFile).Value("lockedMode", LockedMode);
        json.List("targets", Targets).Array("models");
        foreach (var model in Models) Write(json, model, locations);
        return json.EndArray().EndObject().ToString();
    }

    private void Write(JsonText json, ModelItem model, ProjectLocations locations)
    {
        var (line, column) = locations.Find(model.DefiningFile, "CompressModel", model.Spec);
        json.Object().Value("identity", model.Identity).Value("source", model.SourcePath).Value("output", model.OutputPath).Value("target", model.TargetPath);
        json.Value("definingFile", model.DefiningFile).Value("line", line).Value("column", column);
        json.Object("reports");
        foreach (var report in Reports) json.Value(report, model.OutputPath + ModelReport.Suffix(report));
        json.EndObject().Map("settings", model.Settings).Array("data");
        foreach (var setting in model.Data)
            foreach (var path in setting.Paths)
                json.Object().Value("setting", setting.Name).Value("path", path.FullPath).Value("text", path.Text).EndObject();
        json.EndArray().Array("rules");
        foreach (var rule in model.Rules) Write(json, rule, locations);
        json.EndArray().EndObject();
    }

    private static void Write(JsonText json, RuleItem rule, ProjectLocations locations)
    {
        var (line, column) = locations.Find(rule.DefiningFile, "CompressModelRule", rule.Identity, rule.Settings);
        json.Object().Value("identity", rule.Identity).Value("definingFile", rule.DefiningFile).Value("line", line).Value("column", column);
        json.Map("settings", rule.Settings).EndObject();
    }
}
