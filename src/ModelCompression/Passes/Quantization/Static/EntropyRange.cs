using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>The range whose codes tell most about the distribution: least Kullback-Leibler divergence of the quantized histogram from the original one.</summary>
/// <remarks>
/// The scheme of S. Migacz, "8-bit inference with TensorRT", GTC 2017: over the 2048 bins of |x|, thresholds from 128 bins on are tried. P is the histogram up to the threshold with
/// everything beyond added to its last bin; Q are its bins merged into 128 levels and spread again evenly over those that were not empty. Thresholds apply to both signs; the range is then
/// cut to what was observed. ONNX Runtime's tool starts with 128 bins, so that there is only one threshold to try.
/// <para>
/// Two things differ. A bin that stands out above both neighbours counts like the larger of them: a background colour, or the zeros behind Relu, would make any range that joins its bin with others
/// look bad, and cut half of what matters. And a threshold is taken only if rounding and clipping together lose at most twice what rounding over the whole range does, since the divergence knows
/// nothing of how far away a value is that gets clipped. Every eighth threshold is tried, then those around the best.
/// </para>
/// </remarks>
internal static class EntropyRange
{
    private const int Levels = 128;

    /// <summary>Most that a range may lose, relative to the whole one.</summary>
    private const double MaxErrorRatio = 2;

    private const int Stride = 8;

    /// <summary>Bounds ±t.</summary>
    /// <param name="histogram">At least one element.</param>
    /// <param name="codes">Steps between the outermost codes.</param>
    public static (double Min, double Max) Of(HistogramStatistic histogram, int codes)
    {
        double[] magnitudes = WithoutSpikes(Fold(histogram));
        int used = Array.FindLastIndex(magnitudes, m => m > 0) + 1, first = Math.Min(Levels, used);
        double low = Math.Min(0, histogram.Min), high = Math.Max(0, histogram.Max);
        double[] beyond = new double[used + 1];
        for (int b = used - 1; b >= 0; b--) beyond[b] = beyond[b + 1] + magnitudes[b];
        var moments = new HistogramMoments(histogram);
        double allowed = MaxErrorRatio * moments.Error(low, high, codes);
        int best = used;
        double least = Divergence(magnitudes.AsSpan(0, used), 0);
        for (int end = first; end < used; end += Stride) Try(end);
        int middle = best;
        for (int end = Math.Max(first, middle - Stride + 1); end < Math.Min(used, middle + Stride); end++) Try(end);
        return (-best * histogram.BinWidth, best * histogram.BinWidth);

        void Try(int end)
        {
            double bound = end * histogram.BinWidth;
            if (moments.Error(Math.Max(low, -bound), Math.Min(high, bound), codes) > allowed) return;
            double divergence = Divergence(magnitudes.AsSpan(0, end), beyond[end]);
            if (divergence < least) (least, best) = (divergence, end);
        }
    }

    /// <summary>Counts of |x|.</summary>
    private static double[] Fold(HistogramStatistic histogram)
    {
        double[] magnitudes = new double[HistogramStatistic.HalfCount];
        for (int b = 0; b < magnitudes.Length; b++) magnitudes[b] = histogram.Counts[HistogramStatistic.HalfCount + b] + histogram.Counts[HistogramStatistic.HalfCount - 1 - b];
        return magnitudes;
    }

    /// <summary>No bin above both of its neighbours.</summary>
    private static double[] WithoutSpikes(double[] bins)
    {
        double[] flat = new double[bins.Length];
        for (int b = 0; b < bins.Length; b++)
        {
            double neighbour = Math.Max(b > 0 ? bins[b - 1] : 0, b + 1 < bins.Length ? bins[b + 1] : 0);
            flat[b] = neighbour > 0 ? Math.Min(bins[b], neighbour) : Math.Min(bins[b], 1);
        }

        return flat;
    }

    private static double Divergence(ReadOnlySpan<double> bins, double outside)
    {
        double divergence = 0, total = outside;
        foreach (double bin in bins) total += bin;
        double inside = total - outside;
        if (inside == 0) return double.PositiveInfinity;
        for (int level = 0; level < Levels; level++)
        {
            int from = (int)((long)level * bins.Length / Levels), to = (int)((long)(level + 1) * bins.Length / Levels);
            double sum = 0;
            int filled = 0;
            for (int b = from; b < to; b++)
            {
                sum += bins[b];
                if (bins[b] > 0) filled++;
            }

            for (int b = from; b < to; b++)
            {
                double p = bins[b] + (b == bins.Length - 1 ? outside : 0);
                if (p == 0) continue;
                // An empty last bin that takes what lies outside has no share of its level: the smallest count stands for it.
                double q = bins[b] > 0 ? sum / filled : 1;
                divergence += p / total * Math.Log(p / total / (q / inside));
            }
        }

        return divergence;
    }
}
