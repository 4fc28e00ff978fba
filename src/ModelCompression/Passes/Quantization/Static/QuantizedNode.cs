using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>A node that will compute with quantized inputs.</summary>
/// <param name="Node">The node.</param>
/// <param name="Role">What it does.</param>
/// <param name="Activations">Inputs to take quantized values, computed ones as well as constants that are not weights.</param>
/// <param name="QuantizesOutput">True if its outputs are quantized too; a product may stay float behind an integer kernel.</param>
internal sealed record QuantizedNode(Node Node, StaticRole Role, IReadOnlyList<int> Activations, bool QuantizesOutput)
{
    /// <summary>The weight, or null for an operator without.</summary>
    public WeightUse? Weight { get; init; }

    /// <summary>Its stored value.</summary>
    public Value? WeightValue { get; init; }

    /// <summary>The constant bias, or null.</summary>
    public Value? Bias { get; init; }

    /// <summary>Its input.</summary>
    public int BiasIndex { get; init; } = -1;

    /// <summary>Output values that hold data.</summary>
    public IEnumerable<Value> Outputs => StaticOperators.DataOutputs(Node).Select(i => Node.Output(i)).OfType<Value>();
}
