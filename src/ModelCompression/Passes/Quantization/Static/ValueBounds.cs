using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>The bounds Relu or Clip puts on its output.</summary>
/// <param name="Min">Lower bound.</param>
/// <param name="Max">Upper bound.</param>
internal readonly record struct ValueBounds(double Min, double Max)
{
    /// <summary>Reads the bounds; null when they are not constant.</summary>
    public static ValueBounds? Of(Node node)
    {
        if (node.OpType == "Relu") return new(0, double.PositiveInfinity);
        if (node.OpType != "Clip") return null;
        if (node.Inputs.Count == 1) return new(node.GetFloat("min", float.NegativeInfinity), node.GetFloat("max", float.PositiveInfinity));
        return Bound(node.Input(1), double.NegativeInfinity) is { } min && Bound(node.Input(2), double.PositiveInfinity) is { } max ? new(min, max) : null;
    }

    /// <summary>True if no code stands for a value outside the bounds by more than a quarter of a step, which rounding exceeds anyway.</summary>
    public bool Contain(ActivationScale scale)
    {
        double slack = scale.Map.Scale / 4.0;
        return scale.Min >= Min - slack && scale.Max <= Max + slack;
    }

    private static double? Bound(Value? value, double absent) =>
        value is null ? absent : value.TryGetConstant(out var tensor) && tensor is { DataType: DataType.Float, ElementCount: 1 } ? tensor.AsSpan<float>()[0] : null;
}
