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
        var sums = new Moments(histogram);
        (double Min, double Max) best = (low, high);
        double least = double.PositiveInfinity;
        for (int i = Cuts; i > 0; i--)
            for (int k = Cuts; k > 0; k--)
            {
                double min = low * i / Cuts, max = high * k / Cuts, step = (max - min) / levels;
                double error = (step * step / 12 * sums.CountBetween(min, max)) + sums.ErrorBelow(min) + sums.ErrorAbove(max);
                if (error < least) (least, best) = (error, (min, max));
            }

        return best;
    }

    /// <summary>Running sums of count, x and x² over bin centres.</summary>
    private sealed class Moments
    {
        private readonly double[] counts;
        private readonly double[] sums;
        private readonly double[] squares;
        private readonly double width;

        public Moments(HistogramStatistic histogram)
        {
            var bins = histogram.Counts;
            width = histogram.BinWidth;
            (counts, sums, squares) = (new double[bins.Length + 1], new double[bins.Length + 1], new double[bins.Length + 1]);
            for (int b = 0; b < bins.Length; b++)
            {
                double x = (b + 0.5 - HistogramStatistic.HalfCount) * width;
                counts[b + 1] = counts[b] + bins[b];
                sums[b + 1] = sums[b] + (bins[b] * x);
                squares[b + 1] = squares[b] + (bins[b] * x * x);
            }
        }

        public double CountBetween(double min, double max) => counts[Edge(max)] - counts[Edge(min)];

        public double ErrorBelow(double bound) => Error(0, Edge(bound), bound);

        public double ErrorAbove(double bound) => Error(Edge(bound), counts.Length - 1, bound);

        private double Error(int from, int to, double bound) =>
            Math.Max(0, squares[to] - squares[from] - (2 * bound * (sums[to] - sums[from])) + (bound * bound * (counts[to] - counts[from])));

        private int Edge(double x) => Math.Clamp((int)Math.Round(x / width) + HistogramStatistic.HalfCount, 0, counts.Length - 1);
    }
}
