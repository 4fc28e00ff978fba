using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>The range whose codes tell most about the distribution: least Kullback-Leibler divergence of the quantized histogram from the original one.</summary>
/// <remarks>
/// The scheme of S. Migacz, "8-bit inference with TensorRT", GTC 2017: over the 2048 bins of |x|, every threshold from 128 bins on is tried. P is the histogram up to the threshold with
/// everything beyond added to its last bin; Q are its bins merged into 128 levels and spread again evenly over those that were not empty. Thresholds apply to both signs; the range is then
/// cut to what was observed. ONNX Runtime's tool starts with 128 bins, so that there is only one threshold to try.
/// </remarks>
internal static class EntropyRange
{
    private const int Levels = 128;

    /// <summary>Bounds ±t.</summary>
    /// <param name="histogram">At least one element.</param>
    public static (double Min, double Max) Of(HistogramStatistic histogram)
    {
        double[] magnitudes = Fold(histogram);
        int used = Array.FindLastIndex(magnitudes, m => m > 0) + 1;
        int best = used;
        double least = double.PositiveInfinity, total = magnitudes.Sum(), below = magnitudes.Take(Math.Min(Levels, used)).Sum();
        for (int end = Math.Min(Levels, used); end <= used; end++)
        {
            double divergence = Divergence(magnitudes.AsSpan(0, end), total - below);
            if (divergence <= least) (least, best) = (divergence, end);
            if (end < used) below += magnitudes[end];
        }

        double bound = best * histogram.BinWidth;
        return (-bound, bound);
    }

    /// <summary>Counts of |x|.</summary>
    private static double[] Fold(HistogramStatistic histogram)
    {
        double[] magnitudes = new double[HistogramStatistic.HalfCount];
        for (int b = 0; b < magnitudes.Length; b++) magnitudes[b] = histogram.Counts[HistogramStatistic.HalfCount + b] + histogram.Counts[HistogramStatistic.HalfCount - 1 - b];
        return magnitudes;
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
