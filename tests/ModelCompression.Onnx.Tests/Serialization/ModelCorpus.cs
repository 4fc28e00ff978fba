namespace ModelCompression.Onnx.Tests.Serialization;

/// <summary>Real model files on this machine: those of the folders in <c>MODELCOMPRESSION_MODELS</c>.</summary>
internal static class ModelCorpus
{
    public static IReadOnlyList<string> Files { get; } =
    [
        .. (Environment.GetEnvironmentVariable("MODELCOMPRESSION_MODELS") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(f => Directory.EnumerateFiles(f, "*.onnx", SearchOption.AllDirectories))
            .Order(StringComparer.Ordinal),
    ];
}
