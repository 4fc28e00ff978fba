using System.Text.Json;

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
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(new BuildResponse { ToolVersion = toolVersion, Running = running, Models = _models }, ProtocolJson.Default.BuildResponse);
        string temporary = path + ".tmp";
        File.WriteAllBytes(temporary, json);
        File.Move(temporary, path, overwrite: true);
    }
}
