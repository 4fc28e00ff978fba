using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Passes.Quantization.Static;

/// <summary>Seeded samples in the shape of a model's only input.</summary>
internal sealed class CalibrationRows(Model model, int count, int firstSeed = 100) : SampleSource
{
    public override SampleOrigin Origin => SampleOrigin.Calibration;

    public override int Count => count;

    public static IStatisticsSource For(Model model, int count = 16) => new Calibrator(new CalibrationRows(model, count), 300, 2);

    public override Sample Read(int attempt, int index)
    {
        var input = model.Graph.Inputs.First(i => i.Initializer is null);
        long[] dims = [.. input.TensorType!.Shape!.Dimensions.Select(d => d.Size ?? 2)];
        return new Sample([new NamedValue(input.Name, new TensorValue(Tensor.Float(dims, RandomFloats.Make(firstSeed + index, (int)Tensor.CountElements(dims)))))]);
    }
}
