namespace ModelCompression.Numerics;

/// <summary>The affine map of one channel: value = (code − <see cref="ZeroPoint"/>) · <see cref="Scale"/>.</summary>
/// <param name="Scale">Positive, normal.</param>
/// <param name="ZeroPoint">Code of 0.</param>
internal readonly record struct AffineScale(float Scale, int ZeroPoint)
{
    /// <summary>Smallest positive normal binary32; a smaller scale would lose precision or vanish.</summary>
    private const float SmallestNormal = 1.17549435e-38f;

    /// <summary>The map that covers [<paramref name="min"/>, <paramref name="max"/>] and 0.</summary>
    /// <param name="min">Smallest value, finite.</param>
    /// <param name="max">Largest value, finite, ≥ <paramref name="min"/>.</param>
    /// <param name="codes">The codes.</param>
    /// <remarks>
    /// The conventions of ONNX Runtime's quantization tools: the range is widened to contain 0, the scale is computed in binary64 and then cast, a scale below
    /// the smallest normal number becomes 1 with zero point 0 (the channel is then all zero to the precision of its type), the zero point is rounded half to even.
    /// </remarks>
    public static AffineScale Covering(float min, float max, CodeRange codes)
    {
        double low = Math.Min(min, 0f), high = Math.Max(max, 0f);
        if (codes.IsSymmetric)
        {
            high = Math.Max(-low, high);
            low = -high;
        }

        double exact = (high - low) / codes.Steps;
        float scale = (float)exact;
        if (scale < SmallestNormal) return new(1f, 0);
        int zeroPoint = codes.IsSymmetric ? 0 : (int)Math.Clamp(Math.Round(codes.Lowest - (low / exact), MidpointRounding.ToEven), codes.Lowest, codes.Highest);
        int reach = Math.Max(zeroPoint - codes.Lowest, codes.Highest - zeroPoint);
        // Next to the largest binary32 numbers a scale that was rounded up would make infinity of the outermost code.
        return new(float.IsFinite(scale * reach) ? scale : MathF.BitDecrement((float)(float.MaxValue / (double)reach)), zeroPoint);
    }
}
