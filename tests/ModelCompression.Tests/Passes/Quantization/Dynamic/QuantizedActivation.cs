namespace ModelCompression.Tests.Passes.Quantization.Dynamic;

/// <summary>DynamicQuantizeLinear-11 followed by DequantizeLinear, from the specification.</summary>
internal static class QuantizedActivation
{
    /// <summary>What integer kernels see of an activation.</summary>
    public static float[] Of(float[] x)
    {
        float low = Math.Min(0, x.Min()), high = Math.Max(0, x.Max());
        float scale = high == low ? 1 : (high - low) / 255;
        float zero = MathF.Round(Math.Clamp(-low / scale, 0, 255), MidpointRounding.ToEven);
        return Array.ConvertAll(x, v => (Math.Clamp(MathF.Round(v / scale, MidpointRounding.ToEven) + zero, 0, 255) - zero) * scale);
    }
}
