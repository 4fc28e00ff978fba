using ModelCompression.Build.Json;

namespace ModelCompression.Tool.Protocol;

/// <summary>The answer on disk. Rewritten whole at each step, so that it is valid whenever this process dies.</summary>
internal sealed class ResponseFile(string path, string toolVersion)
{
    private readonly List<AnsweredModel> _models = [];

    /// <summary>Notes which model is being worked on.</summary>
    public void Start(string identity) => Write(identity);

    /// <summary>Notes a finished model.</summary>
    public void Finish(AnsweredModel model)
    {
        _models.Add(model);
        Write("");
    }

    private void Write(string running)
    {
        string temporary = path + ".tmp";
        File.WriteAllText(temporary, ToJson(new BuildResponse { ToolVersion = toolVersion, Running = running, Models = _models }));
        File.Move(temporary, path, overwrite: true);
    }

    private static string ToJson(BuildResponse response)
    {
        var json = new JsonText().Object();
        json.Value("protocolVersion", response.ProtocolVersion).Value("toolVersion", response.ToolVersion).Value("running", response.Running).Array("models");
        foreach (var model in response.Models) Add(json, model);
        return json.EndArray().EndObject().ToString();
    }

    private static void Add(JsonText json, AnsweredModel model)
    {
        json.Object().Value("identity", model.Identity).Value("output", model.Output).Value("status", model.Status);
        json.Value("originalBytes", model.OriginalBytes).Value("compressedBytes", model.CompressedBytes).Value("sha256", model.Sha256);
        json.List("reports", model.Reports).Value("summary", model.Summary);
        Add(json, "additionalOutputs", model.AdditionalOutputs);
        Add(json, "dependencies", model.Dependencies);
        json.List("warnings", model.Warnings).EndObject();
    }

    private static void Add(JsonText json, string name, IReadOnlyList<AnsweredFile> files)
    {
        json.Array(name);
        foreach (var file in files) json.Object().Value("path", file.Path).Value("sha256", file.Sha256).EndObject();
        json.EndArray();
    }
}
