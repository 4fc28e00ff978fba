using System.Globalization;
using Microsoft.ML.OnnxRuntime;

namespace ModelCompression.Tests.Passes.Simplification;

/// <summary>An output of a run: numbers as doubles; everything else (strings, sequences, maps) as text.</summary>
internal sealed record OrtOutput(string Name, string Type, double[] Values, string Text);

/// <summary>A model in ONNX Runtime without graph optimizations, on one thread: what the graph says is what is computed.</summary>
internal sealed class OrtModel : IDisposable
{
    private readonly InferenceSession session;
    private readonly RunOptions run = new();

    public OrtModel(byte[] model)
    {
        using var options = Options();
        session = new InferenceSession(model, options);
    }

    public OrtModel(string path)
    {
        using var options = Options();
        session = new InferenceSession(path, options);
    }

    /// <summary>Inputs, overridable initializers and outputs with their types.</summary>
    public string[] Interface =>
    [
        .. session.InputMetadata.Select(i => $"in {i.Key} {Describe(i.Value)}"),
        .. session.OverridableInitializerMetadata.Select(i => $"default {i.Key} {Describe(i.Value)}"),
        .. session.OutputMetadata.Select(o => $"out {o.Key} {o.Value.OnnxValueType} {(o.Value.IsTensor ? o.Value.ElementDataType : default)}"),
    ];

    /// <summary>Inputs that depend on names, shapes and seed only; dimensions without a size get <paramref name="freeSize"/>, batch dimensions 1.</summary>
    public Dictionary<string, OrtValue> SeededInputs(int seed, long freeSize = 8, Func<string, OrtValue?>? known = null)
    {
        var random = new Random(seed);
        var feeds = new Dictionary<string, OrtValue>(StringComparer.Ordinal);
        foreach (var (name, input) in session.InputMetadata)
        {
            if (known?.Invoke(name) is { } value) feeds.Add(name, value);
            else if (!input.IsTensor) throw new NotSupportedException($"Input '{name}' is {input.OnnxValueType}.");
            else feeds.Add(name, SeededTensor.Make(input, random, freeSize));
        }

        return feeds;
    }

    public IReadOnlyList<OrtOutput> Run(IReadOnlyDictionary<string, OrtValue> feeds)
    {
        using var outputs = session.Run(run, feeds, session.OutputNames);
        return [.. session.OutputNames.Zip(outputs, (name, value) => OrtValueText.Read(name, value))];
    }

    public void Dispose()
    {
        run.Dispose();
        session.Dispose();
    }

    private static string Describe(NodeMetadata metadata) =>
        metadata.IsTensor ? $"{metadata.ElementDataType}[{string.Join(',', metadata.Dimensions.Select(d => d.ToString(CultureInfo.InvariantCulture)))}]" : $"{metadata.OnnxValueType}";

    private static SessionOptions Options() => new()
    {
        GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL,
        IntraOpNumThreads = 1,
        LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
    };
}
