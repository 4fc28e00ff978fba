using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace ModelCompression.Tool.CommandLine;

/// <summary>The usual help, followed by examples of the command.</summary>
internal sealed class HelpWithExamples(HelpAction inner) : SynchronousCommandLineAction
{
    private static readonly Dictionary<string, string[]> Examples = new(StringComparer.Ordinal)
    {
        ["compress"] =
        [
            "dotnet modelcompress compress model.onnx -o small.onnx",
            "dotnet modelcompress compress model.onnx -o small.onnx --quantization Static --calibration-data calib.npz --validation-data test.npz --max-metric-drop 0.005",
            "dotnet modelcompress compress model.onnx -o sparse.onnx --pruning Magnitude --sparsity 0.6 --exclude-nodes \"/head/*\"",
        ],
        ["inspect"] = ["dotnet modelcompress inspect model.onnx", "dotnet modelcompress inspect model.onnx --json | jq '.graphs[0].operators'"],
        ["compare"] = ["dotnet modelcompress compare model.onnx small.onnx", "dotnet modelcompress compare model.onnx small.onnx --data test.npz --latency"],
        ["project"] =
        [
            "dotnet modelcompress project src/App/App.csproj",
            "dotnet modelcompress project src/App/App.csproj -o /tmp/models --property Configuration=Release",
        ],
        ["verify"] = ["dotnet modelcompress verify models.lock.json --folder publish/", "dotnet modelcompress verify models.lock.json"],
        ["completion"] = ["eval \"$(dotnet modelcompress completion bash)\"", "dotnet modelcompress completion pwsh | Out-String | Invoke-Expression"],
        ["sensitivity"] = ["dotnet modelcompress sensitivity model.onnx --data test.npz"],
    };

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        int code = inner.Invoke(parseResult);
        var output = parseResult.InvocationConfiguration.Output;
        var command = parseResult.CommandResult.Command;
        string[] examples = command is RootCommand ? [.. Examples.Values.Select(e => e[0])] : Examples.GetValueOrDefault(command.Name) ?? [];
        if (examples.Length == 0) return code;
        output.WriteLine("Examples:");
        foreach (string example in examples) output.WriteLine("  " + example);
        output.WriteLine();
        if (command is RootCommand) output.WriteLine("Exit codes: 0 success, 1 a model failed or a gate was missed, 2 wrong usage, 130 cancelled.");
        return code;
    }
}
