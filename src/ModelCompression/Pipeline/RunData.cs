using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Reports;
using ModelCompression.Runtime;

namespace ModelCompression.Pipeline;

/// <summary>The data of one run, opened and checked before anything else happens.</summary>
internal sealed class RunData : IDisposable
{
    private RunData(SampleSource samples) => FidelitySamples = samples;

    /// <summary>What original and result are compared on: validation data, else calibration data, else synthetic inputs.</summary>
    public SampleSource FidelitySamples { get; }

    public static RunData Open(CompressionOptions options, Model model, string sourcePath) => new(SyntheticInputs.For(model, options.Seed));

    public ValidationFigures? Evaluate(string originalPath, string compressedPath, CompressionOptions options, CancellationToken cancellation) => null;

    public LatencyFigures? MeasureLatency(string originalPath, string compressedPath, FidelityCheck check) => null;

    public void Dispose()
    {
    }
}
