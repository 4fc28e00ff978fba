using Microsoft.ML.OnnxRuntime;

namespace ModelCompression.Runtime;

/// <summary>Inputs copied into ONNX Runtime once, to run a model on them again and again without reading its outputs. Dispose it before its session.</summary>
public sealed class PreparedFeed : IDisposable
{
    private readonly Dictionary<string, OrtValue> inputs;
    private readonly Action<IReadOnlyDictionary<string, OrtValue>> run;

    internal PreparedFeed(Dictionary<string, OrtValue> inputs, Action<IReadOnlyDictionary<string, OrtValue>> run)
    {
        this.inputs = inputs;
        this.run = run;
    }

    /// <summary>Runs the model.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB2041 or MCB4041: the run failed.</exception>
    public void Run() => run(inputs);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var value in inputs.Values) value.Dispose();
    }
}
