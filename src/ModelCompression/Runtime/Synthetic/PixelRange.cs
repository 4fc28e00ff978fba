using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Synthetic;

/// <summary>Tells from what a model does first with a picture whether it expects pixels of 0…1 or of 0…255.</summary>
internal static class PixelRange
{
    private const float Bytes = 255f;

    /// <summary>Division by 127.5, 128, 255, or by a channel's deviation in bytes (57 for the usual datasets), lies above; by a deviation of 0…1 pixels (0.22) below.</summary>
    private const float LeastDivisor = 32f;

    /// <summary>Means of channels in bytes lie above (104…127.5), of 0…1 pixels (0.5) below.</summary>
    private const float LeastMean = 16f;

    private const int LookAhead = 4;

    /// <summary>Largest pixel value: 255 when the model itself scales or shifts bytes, else 1.</summary>
    public static float MaximumOf(Value input)
    {
        var value = input;
        for (int step = 0; step < LookAhead && value.Uses.Count == 1; step++)
        {
            var node = value.Uses[0].Node;
            if (node.Is("Div") && Magnitude(node, value) is { } divisor) return divisor >= LeastDivisor ? Bytes : 1f;
            if (node.Is("Mul") && Magnitude(node, value) is { } factor) return factor <= 1 / LeastDivisor ? Bytes : 1f;
            if ((node.Is("Sub") || node.Is("Add")) && Magnitude(node, value) is { } shift) return shift >= LeastMean ? Bytes : 1f;
            if (!(node.Is("Transpose") || node.Is("Cast") || node.Is("Identity") || node.Is("Reshape")) || node.Output() is not { } output) return 1f;
            value = output;
        }

        return 1f;
    }

    /// <summary>Largest absolute value of the constant on the other side, or null.</summary>
    private static float? Magnitude(Node node, Value value)
    {
        var other = node.Input(0) == value ? node.Input(1) : node.Input(0);
        if (other is null || !other.TryGetConstant(out var constant) || constant.DataType != DataType.Float || constant.ElementCount is 0 or > 4096) return null;
        float largest = 0;
        foreach (float element in constant.AsSpan<float>()) largest = Math.Max(largest, Math.Abs(element));
        return largest;
    }
}
