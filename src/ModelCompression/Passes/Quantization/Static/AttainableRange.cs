using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>
/// The numbers that an operator can return at all. Once calibration has seen one of the ends, further samples cannot change it.
/// </summary>
internal static class AttainableRange
{
    /// <summary>How near to an end that is approached without a step counts as there, relative: three units in the last place of binary32.</summary>
    private const double Nearness = 1.0 / (1 << 22);

    /// <summary>Bounds of a tensor's elements; infinite where none are known.</summary>
    public static (double Min, double Max) Of(Value tensor)
    {
        var unknown = (double.NegativeInfinity, double.PositiveInfinity);
        if (tensor.Producer is not { IsOnnxDomain: true } node) return unknown;
        if (ValueBounds.Of(node) is { } bounds) return (bounds.Min, bounds.Max);
        if (SelfGate.Of(node) is { } gate) return (gate.Least * (1 - Nearness), double.PositiveInfinity);
        if (Shifted(node) is not { } shifted) return unknown;
        var (min, max) = Of(shifted.Tensor);
        // As the operator computes it.
        return ((float)min + shifted.By, (float)max + shifted.By);
    }

    /// <summary>The tensor to which a node adds one constant, and that constant; null for other nodes.</summary>
    public static (Value Tensor, float By)? Shifted(Node node)
    {
        if (!node.Is("Add") || node.Inputs is not [{ } a, { } b]) return null;
        return Number(b) is { } right ? (a, right) : Number(a) is { } left ? (b, left) : null;
    }

    private static float? Number(Value value) =>
        value.TryGetConstant(out var tensor) && tensor is { DataType: DataType.Float, ElementCount: 1, Rank: <= 1 } && float.IsFinite(tensor.AsSpan<float>()[0]) ? tensor.AsSpan<float>()[0] : null;
}
