using ModelCompression.Data;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Statistics;

/// <summary>Samples of one input of a fixed shape.</summary>
internal sealed class FixedSamples(string input, long[] dims, IReadOnlyList<float[]> samples) : SampleSource
{
    public override SampleOrigin Origin => SampleOrigin.Calibration;

    public override int Count => samples.Count;

    public override Sample Read(int attempt, int index) => new([new(input, new TensorValue(Tensor.Float(dims, samples[index])))]);
}
