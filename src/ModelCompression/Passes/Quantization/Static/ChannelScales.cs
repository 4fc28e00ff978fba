namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Scales per channel with a common zero point.</summary>
/// <param name="Scales">One per channel.</param>
/// <param name="ZeroPoint">Common to all, as integer kernels want it.</param>
internal sealed record ChannelScales(float[] Scales, int ZeroPoint)
{
    /// <summary>A channel's scale is at least this fraction of the largest: factors between channels go into weights, whose precision is limited.</summary>
    private const double LeastRatio = 1.0 / 4096;

    /// <summary>The scales that cover each channel's range and 0, with the zero point of the least weighted noise Σ weight·scale².</summary>
    /// <param name="min">Smallest element per channel.</param>
    /// <param name="max">Largest element per channel.</param>
    /// <param name="weights">How much noise in a channel counts.</param>
    /// <param name="levels">Largest code.</param>
    /// <returns>Null when all channels are 0.</returns>
    public static ChannelScales? TryMake(ReadOnlySpan<float> min, ReadOnlySpan<float> max, ReadOnlySpan<double> weights, int levels)
    {
        int best = -1, step = Math.Max(1, (levels + 1) / 256);
        double least = double.PositiveInfinity;
        for (int zero = 0; zero <= levels; zero += step)
        {
            double noise = 0;
            for (int c = 0; c < min.Length; c++)
            {
                double scale = Scale(min[c], max[c], zero, levels);
                noise += weights[c] * scale * scale;
            }

            if (noise < least) (least, best) = (noise, zero);
        }

        if (best < 0) return null;
        double[] scales = new double[min.Length];
        for (int c = 0; c < scales.Length; c++) scales[c] = Scale(min[c], max[c], best, levels);
        double largest = scales.Max();
        return largest > 0 && (float)(largest * LeastRatio) > 1e-30f ? new(Array.ConvertAll(scales, s => (float)Math.Max(s, largest * LeastRatio)), best) : null;
    }

    /// <summary>
    /// The next number away from 0 with 12 significant bits: what is measured depends on the CPU in its last bits, and so would every weight that takes up a factor.
    /// </summary>
    public static float RoundedOutwards(float value)
    {
        if (value == 0 || !float.IsFinite(value)) return value;
        double unit = Math.ScaleB(1, Math.ILogB(value) - 11);
        return (float)(Math.Sign(value) * Math.Ceiling(Math.Abs(value) / unit) * unit);
    }

    private static double Scale(float min, float max, int zero, int levels)
    {
        double below = Math.Max(0, -(double)min), above = Math.Max(0, (double)max);
        if ((below > 0 && zero == 0) || (above > 0 && zero == levels)) return double.PositiveInfinity;
        return Math.Max(below > 0 ? below / zero : 0, above > 0 ? above / (levels - zero) : 0);
    }
}
