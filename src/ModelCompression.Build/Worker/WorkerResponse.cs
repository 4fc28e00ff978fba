using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using ModelCompression.Build.Json;

namespace ModelCompression.Build.Worker;

/// <summary>What the worker did. It rewrites the file after each model, so that the finished ones survive a crash.</summary>
internal sealed class WorkerResponse
{
    private WorkerResponse(JsonValue json)
    {
        Running = json["running"].Text;
        foreach (var model in json["models"].Elements) Models[model["identity"].Text] = new WorkerResult(model);
    }

    /// <summary>The model that was being worked on, or empty.</summary>
    public string Running { get; }

    /// <summary>Finished models by identity.</summary>
    public Dictionary<string, WorkerResult> Models { get; } = new(StringComparer.Ordinal);

    /// <exception cref="FormatException">There is no response, or none of this protocol.</exception>
    public static WorkerResponse Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FormatException("the response file is missing");
        }
        var json = JsonParser.Parse(text);
        var version = json["protocolVersion"].Number;
        if (version != WorkerRequest.ProtocolVersion)
            throw new FormatException(string.Format(CultureInfo.InvariantCulture, "it speaks protocol {0}, this task {1}", version, WorkerRequest.ProtocolVersion));
        return new WorkerResponse(json);
    }
}

/// <summary>The worker's answer for one model.</summary>
internal sealed class WorkerResult(JsonValue json)
{
    public bool Succeeded { get; } = json["status"].Text is "compressed" or "original";

    public string Output { get; } = json["output"].Text;

    public long OriginalBytes { get; } = json["originalBytes"].Number;

    public long CompressedBytes { get; } = json["compressedBytes"].Number;

    public string Sha256 { get; } = json["sha256"].Text;

    public string Summary { get; } = json["summary"].Text;

    /// <summary>Reports it wrote, absolute; the one for <c>@(CompressedModel)</c> first.</summary>
    public IReadOnlyList<string> Reports { get; } = Texts(json["reports"]);

    /// <summary>Further output files, absolute, such as external data.</summary>
    public IReadOnlyList<WorkerFile> AdditionalOutputs { get; } = Files(json["additionalOutputs"]);

    /// <summary>Files it read, absolute; the ones the request named may be among them, for their hashes.</summary>
    public IReadOnlyList<WorkerFile> Dependencies { get; } = Files(json["dependencies"]);

    /// <summary>The warnings it printed for this model, as lines.</summary>
    public IReadOnlyList<string> Warnings { get; } = Texts(json["warnings"]);

    private static List<string> Texts(JsonValue array)
    {
        var texts = new List<string>();
        foreach (var element in array.Elements) texts.Add(element.Text);
        return texts;
    }

    private static List<WorkerFile> Files(JsonValue array)
    {
        var files = new List<WorkerFile>();
        foreach (var element in array.Elements) files.Add(new WorkerFile(element["path"].Text, element["sha256"].Text));
        return files;
    }
}

/// <summary>A file in the worker's answer.</summary>
internal sealed class WorkerFile(string path, string sha256)
{
    public string Path { get; } = path;

    public string Sha256 { get; } = sha256;
}
