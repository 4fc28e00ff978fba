using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>The range that leaves (100 − p)/2 percent of the elements out at each end.</summary>
internal static class PercentileRange
{
    /// <summary>Bounds at bin edges, rounded outwards.</summary>
    /// <param name="histogram">At least one element.</param>
    /// <param name="percentile">p, 50 to 100.</param>
    public static (double Min, double Max) Of(HistogramStatistic histogram, double percentile)
    {
        double cut = histogram.Total * (100 - percentile) / 200;
        var counts = histogram.Counts;
        int low = 0, high = counts.Length - 1;
        for (double below = counts[low]; below <= cut && low < high; below += counts[low]) low++;
        for (double above = counts[high]; above <= cut && high > low; above += counts[high]) high--;
        return ((low - HistogramStatistic.HalfCount) * histogram.BinWidth, (high + 1 - HistogramStatistic.HalfCount) * histogram.BinWidth);
    }
}
