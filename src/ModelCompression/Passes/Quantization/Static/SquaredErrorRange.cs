using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>The range with the least squared error of rounding and clipping together.</summary>
/// <remarks>
/// For a range [l, u] of step s = (u − l)/levels: elements inside lose s²/12 each on average, those outside (x − l)² or (x − u)². Both are sums over the histogram's bins, so every
/// candidate costs the same few operations. Candidates cut each end by multiples of 1/64 of it.
/// </remarks>
internal static class SquaredErrorRange
{
    private const int Cuts = 64;

    /// <summary>The best range that contains 0.</summary>
    /// <param name="histogram">At least one element.</param>
    /// <param name="levels">Steps between the outermost codes.</param>
    public static (double Min, double Max) Of(HistogramStatistic histogram, int levels)
    {
        double low = Math.Min(0, histogram.Min), high = Math.Max(0, histogram.Max);
        var sums = new HistogramMoments(histogram);
        (double Min, double Max) best = (low, high);
        double least = double.PositiveInfinity;
        for (int i = Cuts; i > 0; i--)
            for (int k = Cuts; k > 0; k--)
            {
                double min = low * i / Cuts, max = high * k / Cuts, error = sums.Error(min, max, levels);
                if (error < least) (least, best) = (error, (min, max));
            }

        return best;
    }
}
