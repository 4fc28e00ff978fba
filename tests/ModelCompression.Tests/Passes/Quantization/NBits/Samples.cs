using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Seeded inputs of a model with one float input, with a mean and dependent neighbours, as activations have.</summary>
internal sealed class Samples(Model model, int count) : SampleSource
{
    public override SampleOrigin Origin => SampleOrigin.Calibration;

    public override int Count => count;

    public override Sample Read(int attempt, int index) => new(Make(index));

    public IReadOnlyList<NamedValue> Make(int index)
    {
        var input = model.Graph.Inputs.Single(v => v.Initializer is null);
        long[] dims = [.. input.TensorType!.Shape!.Dimensions.Select(d => d.Size!.Value)];
        var random = new Random(index);
        float[] x = new float[Tensor.CountElements(dims)];
        for (int i = 0; i < x.Length; i++) x[i] = (float)Math.Max(0, (0.6 * (i > 0 ? x[i - 1] : 0)) + (random.NextDouble() * 2) - 0.8);
        return [new NamedValue(input.Name, new TensorValue(Tensor.Float(dims, x)))];
    }
}
