using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;

namespace ModelCompression.Tests.Passes.Pruning.Refitting;

/// <summary>Normally distributed inputs for a model with one float input; free dimensions are three.</summary>
internal sealed class NormalInputs(Model model, int count) : SampleSource
{
    private readonly long[] dims = [.. model.Graph.Inputs[0].TensorType!.Shape!.Dimensions.Select(d => d.Size ?? 3)];

    private readonly string name = model.Graph.Inputs[0].Name;

    public override int Count => count;

    public override SampleOrigin Origin => SampleOrigin.Calibration;

    public override Sample Read(int attempt, int index) => new([new NamedValue(name, new TensorValue(SmallNet.Weights(new Random(1000 + index), 1, dims)))]);

    public static Calibrator Calibrator(Model model, int count = 64) => new(new NormalInputs(model, count), count, 2);
}
