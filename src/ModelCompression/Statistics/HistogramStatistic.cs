using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Histogram of a tensor whose range grows with the data, without keeping any of them.</summary>
/// <remarks>
/// Bin k holds the x with k·w ≤ x &lt; (k+1)·w, where w is a power of two such that all k lie in [−2048, 2047]. A wider range doubles w, which joins bins 2k and 2k+1:
/// exact, so that the counts depend neither on the order of the samples nor on the threads. A one-sided tensor uses 1024 to 2048 bins, a two-sided one up to 4096.
/// </remarks>
public sealed class HistogramStatistic : TensorStatistic
{
    /// <summary>The key under which passes share it.</summary>
    public const string Key = "histogram";

    /// <summary>Bins on each side of 0.</summary>
    public const int HalfCount = 2048;

    private readonly long[] counts = new long[2 * HalfCount];
    private readonly MergedParts<Part> merged = new();
    private int exponent = int.MinValue;

    /// <summary>Counts of the bins; that of [0, w) is at <see cref="HalfCount"/>. Empty before the first finite element.</summary>
    public ReadOnlySpan<long> Counts => Total == 0 ? [] : counts;

    /// <summary>Width w of a bin.</summary>
    public double BinWidth => exponent == int.MinValue ? 0 : Math.ScaleB(1.0, exponent);

    /// <summary>Number of finite elements.</summary>
    public long Total { get; private set; }

    /// <summary>Smallest finite element; +∞ when there was none.</summary>
    public float Min { get; private set; } = float.PositiveInfinity;

    /// <summary>Largest finite element; −∞ when there was none.</summary>
    public float Max { get; private set; } = float.NegativeInfinity;

    /// <summary>True if some element was NaN or infinite.</summary>
    public bool HasNonFinite { get; private set; }

    /// <inheritdoc/>
    public override object? Measure(TensorView x)
    {
        var range = SpanRange.Of(x.Data);
        int sampleExponent = BinnedCounts.ExponentFor(range.AbsMax, HalfCount);
        var part = merged.Take() ?? new Part();
        (part.Range, part.Exponent) = (range, sampleExponent);
        Array.Clear(part.Bins);
        if (part.HasElements) BinnedCounts.Add(x.Data, sampleExponent, part.Bins, range.AllFinite);
        return part;
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        var part = (Part)partial!;
        HasNonFinite |= !part.Range.AllFinite;
        if (part.HasElements) MergeFinite(part);
        merged.Return(part);
    }

    private void MergeFinite(Part part)
    {
        Min = Math.Min(Min, part.Range.Min);
        Max = Math.Max(Max, part.Range.Max);
        int common = Math.Max(exponent, part.Exponent);
        if (exponent != int.MinValue && common > exponent) Coarsen(common - exponent);
        exponent = common;
        int shift = common - part.Exponent;
        for (int i = 0; i < part.Bins.Length; i++)
        {
            Total += part.Bins[i];
            counts[Moved(i, shift)] += part.Bins[i];
        }
    }

    private void Coarsen(int shift)
    {
        long[] old = [.. counts];
        Array.Clear(counts);
        for (int i = 0; i < old.Length; i++) counts[Moved(i, shift)] += old[i];
    }

    /// <summary>Arithmetic shift rounds towards −∞, as the bins do.</summary>
    private static int Moved(int index, int shift) => ((index - HalfCount) >> Math.Min(shift, 31)) + HalfCount;

    private sealed class Part
    {
        public SpanRange Range { get; set; }

        public int Exponent { get; set; }

        public int[] Bins { get; } = new int[2 * HalfCount];

        public bool HasElements => Range.Min <= Range.Max;
    }
}
