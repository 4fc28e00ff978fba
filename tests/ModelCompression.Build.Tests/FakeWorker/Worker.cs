using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace ModelCompression.FakeWorker;

/// <summary>
/// Answers a request. What it does with a model is chosen by the item's metadata <c>Fake</c>:
/// <c>Error</c>, <c>Crash</c>, <c>OutOfMemory</c>, <c>Killed</c>, <c>Hang</c>, <c>Warn</c>, <c>Silent</c> (no result, no error), <c>Data</c> (a second output), <c>Depends</c> (reads <c>file.dep</c>).
/// </summary>
internal sealed class Worker(string[] args)
{
    private readonly JsonNode _request = JsonNode.Parse(File.ReadAllText(args[1]))!;
    private readonly JsonArray _results = [];

    public int Run()
    {
        var models = _request["models"]!.AsArray();
        Log($"launch {Environment.ProcessId} {string.Join('|', models.Select(model => (string)model!["identity"]!))}");
        Console.OutputEncoding = new UTF8Encoding(false);
        var failed = false;
        foreach (var model in models) failed |= !Compress(model!);
        Respond("");
        return failed ? 1 : 0;
    }

    private bool Compress(JsonNode model)
    {
        Respond((string)model["identity"]!);
        var output = (string)model["output"]!;
        var origin = $"{model["definingFile"]}({model["line"]},{model["column"]})";
        var behaviour = (string?)model["settings"]!["Fake"] ?? "";
        switch (behaviour)
        {
            case "Error":
                Console.WriteLine($"{origin}: error MCB4999: '{model["identity"]}' cannot be compressed; use another");
                _results.Add(new JsonObject { ["identity"] = (string)model["identity"]!, ["output"] = output, ["status"] = "failed" });
                return false;
            case "Warn":
                Console.WriteLine(Warning(model));
                break;
            case "Crash":
                File.WriteAllText(output + ".fake.tmp", "half");
                Environment.FailFast("the fake worker was told to crash");
                break;
            case "OutOfMemory":
                // So .NET ends when not even an exception can be made.
                Console.Error.WriteLine("Out of memory.");
                Environment.Exit(134);
                break;
            case "Killed":
                Environment.Exit(137);
                break;
            case "Hang":
                File.WriteAllText(output + ".fake.tmp", "half");
                Log($"hanging {Environment.ProcessId}");
                Thread.Sleep(TimeSpan.FromMinutes(5));
                break;
            case "Slow":
                Thread.Sleep(TimeSpan.FromSeconds(2));
                break;
            case "Silent":
                return true;
        }
        Write(model, output, behaviour);
        return true;
    }

    private void Write(JsonNode model, string output, string behaviour)
    {
        var source = (string)model["source"]!;
        var original = File.ReadAllBytes(source);
        var compressed = Encoding.UTF8.GetBytes("compressed " + model["settings"]!.ToJsonString() + model["rules"]!.ToJsonString()).Concat(original.Take(original.Length / 2)).ToArray();
        Directory.CreateDirectory(Path.GetDirectoryName(output)!);
        File.WriteAllBytes(output + ".fake.tmp", compressed);
        File.Move(output + ".fake.tmp", output, overwrite: true);
        var reports = new JsonArray();
        foreach (var (_, path) in model["reports"]!.AsObject())
        {
            File.WriteAllText((string)path!, $$"""{ "schemaVersion": 1, "model": "{{model["identity"]}}" }""");
            reports.Add((string)path!);
        }
        var additional = new JsonArray();
        if (behaviour == "Data")
        {
            File.WriteAllText(output + ".data", "external data");
            additional.Add(FileNode(output + ".data"));
        }
        var dependencies = new JsonArray { FileNode(source) };
        if (behaviour == "Depends") dependencies.Add(FileNode(Path.Combine((string)_request["projectDirectory"]!, "file.dep")));
        foreach (var data in model["data"]!.AsArray())
            if (File.Exists((string)data!["path"]!)) dependencies.Add(FileNode((string)data["path"]!));
        var summary = $"{Path.GetFileName(source)}: {original.Length} B -> {compressed.Length} B, threads {_request["threads"]}";
        Console.WriteLine(summary);
        Console.WriteLine("  a detail");
        _results.Add(new JsonObject
        {
            ["identity"] = (string)model["identity"]!,
            ["output"] = output,
            ["status"] = "compressed",
            ["originalBytes"] = original.Length,
            ["compressedBytes"] = compressed.Length,
            ["sha256"] = Hash(output),
            ["reports"] = reports,
            ["summary"] = summary,
            ["additionalOutputs"] = additional,
            ["dependencies"] = dependencies,
            ["warnings"] = behaviour == "Warn" ? new JsonArray(Warning(model)) : new JsonArray(),
        });
    }

    private static string Warning(JsonNode model) => $"{model["definingFile"]}({model["line"]},{model["column"]}): warning MCB4998: '{model["identity"]}' is odd";

    private void Respond(string running)
    {
        var response = new JsonObject { ["protocolVersion"] = 1, ["running"] = running, ["models"] = _results.DeepClone() };
        File.WriteAllText((string)_request["responseFile"]!, response.ToJsonString());
    }

    private static JsonObject FileNode(string path) => new() { ["path"] = path, ["sha256"] = Hash(path) };

    private static string Hash(string path) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));

    private static void Log(string line)
    {
        if (Environment.GetEnvironmentVariable("FAKE_WORKER_LOG") is { Length: > 0 } path) File.AppendAllText(path, line + "\n");
    }
}
