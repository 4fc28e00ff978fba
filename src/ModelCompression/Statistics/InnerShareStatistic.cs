namespace ModelCompression.Statistics;

/// <summary>Share of elements strictly between two bounds, per index of one axis over all other axes and all samples.</summary>
/// <param name="axis">The axis; negative counts from the end.</param>
/// <param name="low">Lower bound.</param>
/// <param name="high">Upper bound.</param>
public sealed class InnerShareStatistic(int axis, double low, double high) : TensorStatistic
{
    private long[] inner = [];
    private long count;

    /// <summary>Shares per channel; empty before the first sample. Samples with another number of channels do not count.</summary>
    public double[] Shares => Array.ConvertAll(inner, i => (double)i / Math.Max(1, count));

    /// <summary>The key under which passes share it.</summary>
    public static string Key(int axis, double low, double high) => FormattableString.Invariant($"share:{axis},{low},{high}");

    /// <inheritdoc/>
    public override object? Measure(TensorView x)
    {
        int at = axis < 0 ? axis + x.Shape.Length : axis;
        if (at < 0 || at >= x.Shape.Length || x.Data.IsEmpty) return null;
        long[] found = new long[x.Shape[at]];
        int run = 1;
        foreach (long size in x.Shape[(at + 1)..]) run = checked(run * (int)size);
        for (int start = 0, c = 0; start < x.Data.Length; start += run, c = c + 1 == found.Length ? 0 : c + 1)
            foreach (float element in x.Data.Slice(start, run))
                if (element > low && element < high) found[c]++;
        return (found, x.Data.Length / found.Length);
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        if (partial is not (long[] found, int elements)) return;
        if (inner.Length == 0) inner = new long[found.Length];
        if (found.Length != inner.Length) return;
        count += elements;
        for (int c = 0; c < inner.Length; c++) inner[c] += found[c];
    }
}
