using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Scale and zero point of an activation.</summary>
/// <param name="Map">Scale and zero point.</param>
/// <param name="Type">uint8 or uint16.</param>
internal sealed record ActivationScale(AffineScale Map, DataType Type)
{
    /// <summary>Scales per channel of the float side, where there are such; then <see cref="Map"/> is that of the integer side.</summary>
    public float[]? Channels { get; init; }

    /// <summary>Smallest value a code stands for.</summary>
    public double Min => -(double)Map.ZeroPoint * Map.Scale;

    /// <summary>Largest value a code stands for.</summary>
    public double Max => (double)((Type == DataType.UInt8 ? byte.MaxValue : ushort.MaxValue) - Map.ZeroPoint) * Map.Scale;

    /// <summary>The scale that covers a range and 0.</summary>
    public static ActivationScale Covering(float min, float max, int bits) =>
        new(AffineScale.Covering(min, max, CodeRange.Asymmetric(bits)), bits == 8 ? DataType.UInt8 : DataType.UInt16);

    /// <summary>The same with the scale rounded up to a power of two, and the zero point that goes with it.</summary>
    public ActivationScale InFixedPoint()
    {
        float scale = PowerOfTwoFrom(Map.Scale);
        return new(new AffineScale(scale, (int)Math.Round(-Min / scale, MidpointRounding.ToEven)), Type);
    }

    /// <summary>The least power of two that is not below a scale; 0 stays 0.</summary>
    public static float PowerOfTwoFrom(float scale)
    {
        if (scale <= 0) return 0;
        float power = MathF.ScaleB(1, MathF.ILogB(scale));
        return power < scale ? 2 * power : power;
    }
}
