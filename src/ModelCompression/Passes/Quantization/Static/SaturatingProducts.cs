namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Keeps weights from saturating where two products of uint8 and int8 are added in 16 bits: see <see cref="TargetProcessor.SaturatesSignedWeights"/>.</summary>
/// <remarks>
/// 255·(q₁ + q₂) must stay within ±32767 for any two weights of a channel that a kernel may pair: their sum must not exceed 128 in magnitude. Scales of channels are raised just as far as the two
/// largest weights of one sign ask for, which costs at most the one bit that ONNX Runtime's <c>reduce_range</c> always costs. Depthwise convolutions add in 32 bits everywhere.
/// </remarks>
internal static class SaturatingProducts
{
    /// <summary>Largest sum of two codes before rounding, which adds at most half to each.</summary>
    public const int MaxPairSum = 127;

    /// <summary>The smallest scale with which no two weights of a channel exceed the sum.</summary>
    public static double LeastScale(ReadOnlySpan<float> weights)
    {
        double first = 0, second = 0, lowest = 0, lower = 0;
        foreach (float w in weights)
        {
            if (w > first) (first, second) = (w, first);
            else if (w > second) second = w;
            if (-w > lowest) (lowest, lower) = (-w, lowest);
            else if (-w > lower) lower = -w;
        }

        return Math.Max(first + second, lowest + lower) / MaxPairSum;
    }
}
