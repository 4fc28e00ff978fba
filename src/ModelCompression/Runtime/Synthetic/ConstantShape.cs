using ModelCompression.Onnx.Graph;

namespace ModelCompression.Runtime.Synthetic;

/// <summary>Shapes of weights, looked up through the operators that store them in a smaller form.</summary>
internal static class ConstantShape
{
    /// <summary>Shape of a constant, or of one behind <c>DequantizeLinear</c>, <c>Cast</c>, <c>Identity</c> or a scaling; null when it is neither.</summary>
    public static long[]? Of(Value? value)
    {
        for (int depth = 0; value is not null && depth < 6; depth++)
        {
            if (value.TryGetConstant(out var constant)) return constant.Dims.ToArray();
            if (value.Producer is not { } node || !(node.Is("DequantizeLinear") || node.Is("Cast") || node.Is("Identity") || node.Is("Mul"))) return null;
            value = node.Input(0);
        }

        return null;
    }
}
