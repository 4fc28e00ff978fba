using ModelCompression.Build.Json;

namespace ModelCompression.Tool.Protocol;

/// <summary>Reads requests, with the parser of the build task: a general one takes 20 ms to start, a tenth of a small model's run.</summary>
internal static class RequestReader
{
    /// <summary>Reads a request; what is missing is empty, what is unknown is left out.</summary>
    /// <exception cref="FormatException">It is no JSON.</exception>
    public static BuildRequest Read(string json)
    {
        var request = JsonParser.Parse(json);
        return new()
        {
            ProtocolVersion = (int)request["protocolVersion"].Number,
            ToolVersion = request["toolVersion"].Text,
            ProjectFile = request["projectFile"].Text,
            ProjectDirectory = request["projectDirectory"].Text,
            OutputDirectory = request["outputDirectory"].Text,
            ResponseFile = request["responseFile"].Text,
            Threads = (int)request["threads"].Number,
            ParentProcessId = (int)request["parentProcessId"].Number,
            CachePath = request["cachePath"].Text is { Length: > 0 } cache ? cache : null,
            LockFile = request["lockFile"].Text is { Length: > 0 } file ? file : null,
            LockedMode = request["lockedMode"].IsTrue,
            Targets = [.. request["targets"].Elements.Select(t => t.Text)],
            Models = [.. request["models"].Elements.Select(Model)],
        };
    }

    private static RequestedModel Model(JsonValue model) => new()
    {
        Identity = model["identity"].Text,
        Source = model["source"].Text,
        Output = model["output"].Text,
        Target = model["target"].Text,
        DefiningFile = model["definingFile"].Text,
        Line = (int)model["line"].Number,
        Column = (int)model["column"].Number,
        Reports = Texts(model["reports"]),
        Settings = Texts(model["settings"]),
        Data = [.. model["data"].Elements.Select(d => new RequestedData(d["setting"].Text, d["path"].Text, d["text"].Text))],
        Rules = [.. model["rules"].Elements.Select(Rule)],
    };

    private static RequestedRule Rule(JsonValue rule) => new()
    {
        Identity = rule["identity"].Text,
        Target = rule["target"].Text,
        DefiningFile = rule["definingFile"].Text,
        Line = (int)rule["line"].Number,
        Column = (int)rule["column"].Number,
        Settings = Texts(rule["settings"]),
    };

    private static Dictionary<string, string> Texts(JsonValue members)
    {
        var texts = new Dictionary<string, string>();
        foreach (var member in members.Members) texts[member.Key] = member.Value.Text;
        return texts;
    }
}
