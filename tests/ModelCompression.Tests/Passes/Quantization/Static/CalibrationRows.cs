using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Passes.Quantization.Static;

/// <summary>Seeded samples in the shape of a model's only input.</summary>
/// <param name="model">The model.</param>
/// <param name="count">Number of samples.</param>
/// <param name="firstSeed">Distinguishes samples from others.</param>
/// <param name="size">Takes the place of open dimensions but the first.</param>
internal sealed class CalibrationRows(Model model, int count, int firstSeed = 100, int size = 2) : SampleSource
{
    public override SampleOrigin Origin => SampleOrigin.Calibration;

    public override int Count => count;

    public static IStatisticsSource For(Model model, int count = 16) => For(new CalibrationRows(model, count));

    public static IStatisticsSource For(SampleSource samples) => new Calibrator(samples, 300, 2);

    public override Sample Read(int attempt, int index)
    {
        var input = model.Graph.Inputs.First(i => i.Initializer is null);
        long[] dims = [.. input.TensorType!.Shape!.Dimensions.Select((d, axis) => d.Size ?? (axis == 0 && size > 2 ? 1 : size))];
        return new Sample([new NamedValue(input.Name, new TensorValue(Tensor.Float(dims, RandomFloats.Make(firstSeed + index, (int)Tensor.CountElements(dims)))))]);
    }
}
