using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Running sums of count, x and x² over the bins of a histogram: what rounding to codes and clipping to a range lose, in a few operations.</summary>
internal sealed class HistogramMoments
{
    private readonly double[] counts;
    private readonly double[] sums;
    private readonly double[] squares;
    private readonly double width;

    /// <summary>Sums up a histogram.</summary>
    public HistogramMoments(HistogramStatistic histogram)
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

    /// <summary>Squared error of codes that cover a range: s²/12 for each element inside, the squared distance for each outside.</summary>
    /// <param name="min">Lower end.</param>
    /// <param name="max">Upper end.</param>
    /// <param name="levels">Steps between the outermost codes.</param>
    public double Error(double min, double max, int levels)
    {
        double step = (max - min) / levels;
        return (step * step / 12 * CountBetween(min, max)) + ErrorBelow(min) + ErrorAbove(max);
    }

    private double CountBetween(double min, double max) => counts[Edge(max)] - counts[Edge(min)];

    private double ErrorBelow(double bound) => Clipped(0, Edge(bound), bound);

    private double ErrorAbove(double bound) => Clipped(Edge(bound), counts.Length - 1, bound);

    private double Clipped(int from, int to, double bound) =>
        Math.Max(0, squares[to] - squares[from] - (2 * bound * (sums[to] - sums[from])) + (bound * bound * (counts[to] - counts[from])));

    private int Edge(double x) => Math.Clamp((int)Math.Round(x / width) + HistogramStatistic.HalfCount, 0, counts.Length - 1);
}
