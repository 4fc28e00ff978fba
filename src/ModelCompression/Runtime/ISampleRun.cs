using ModelCompression.Data;

namespace ModelCompression.Runtime;

/// <summary>Runs a model on one sample after the other. For one thread at a time.</summary>
internal interface ISampleRun : IDisposable
{
    /// <summary>Runs it.</summary>
    /// <param name="index">Number of the sample.</param>
    /// <param name="sample">Values of the inputs.</param>
    /// <returns>The outputs, valid until the next call.</returns>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB2041 or MCB4041: the run failed.</exception>
    RunOutputs Run(int index, IReadOnlyList<NamedValue> sample);
}
