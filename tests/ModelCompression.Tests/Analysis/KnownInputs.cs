using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Analysis;

/// <summary>Inputs of the sizes their authors mean, for models whose interface does not say.</summary>
internal sealed class KnownInputs : SampleSource
{
    private readonly List<NamedValue> inputs;

    private KnownInputs(List<NamedValue> inputs) => this.inputs = inputs;

    public override SampleOrigin Origin => SampleOrigin.Synthetic;

    public override int Count => 1;

    public static KnownInputs? TryFor(Model model) => string.Join(' ', model.Graph.Inputs.Where(i => i.Initializer is null).Select(i => i.Name)) switch
    {
        "input state sr" => new([Zeros("input", 1, 512), Zeros("state", 2, 1, 128), new("sr", new TensorValue(Tensor.Int64([], 16000)))]),
        "input_features" => new([Zeros("input_features", 1, 80, 3000)]),
        _ => null,
    };

    public override Sample Read(int attempt, int index) => new(inputs);

    private static NamedValue Zeros(string name, params long[] dims) => new(name, new TensorValue(Tensor.Float(dims, new float[Tensor.CountElements(dims)])));
}
