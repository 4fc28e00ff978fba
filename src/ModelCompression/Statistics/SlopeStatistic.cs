namespace ModelCompression.Statistics;

/// <summary>A range of a piecewise linear function's values and the function's slope where it takes them.</summary>
/// <param name="Low">Lower end, not included.</param>
/// <param name="High">Upper end, not included.</param>
/// <param name="Slope">Slope.</param>
public readonly record struct SlopeSegment(double Low, double High, double Slope);

/// <summary>Mean slope of a piecewise linear function, seen from its values: per index of one axis over all other axes and all samples.</summary>
/// <param name="axis">The axis; negative counts from the end.</param>
/// <param name="segments">Ranges that do not overlap; elsewhere the slope is 0.</param>
public sealed class SlopeStatistic(int axis, IReadOnlyList<SlopeSegment> segments) : TensorStatistic
{
    private double[] sums = [];
    private long count;

    /// <summary>Means per channel; empty before the first sample. Samples with another number of channels do not count.</summary>
    public double[] Means => Array.ConvertAll(sums, s => s / Math.Max(1, count));

    /// <summary>The key under which passes share it.</summary>
    public static string Key(int axis, IReadOnlyList<SlopeSegment> segments) => FormattableString.Invariant($"slope:{axis},{string.Join(';', segments)}");

    /// <inheritdoc/>
    public override object? Measure(TensorView x)
    {
        int at = axis < 0 ? axis + x.Shape.Length : axis;
        if (at < 0 || at >= x.Shape.Length || x.Data.IsEmpty) return null;
        double[] found = new double[x.Shape[at]];
        int run = 1;
        foreach (long size in x.Shape[(at + 1)..]) run = checked(run * (int)size);
        for (int start = 0, c = 0; start < x.Data.Length; start += run, c = c + 1 == found.Length ? 0 : c + 1)
            foreach (float element in x.Data.Slice(start, run)) found[c] += SlopeAt(element);
        return (found, x.Data.Length / found.Length);
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        if (partial is not (double[] found, int elements)) return;
        if (sums.Length == 0) sums = new double[found.Length];
        if (found.Length != sums.Length) return;
        count += elements;
        for (int c = 0; c < sums.Length; c++) sums[c] += found[c];
    }

    private double SlopeAt(float element)
    {
        foreach (var segment in segments)
            if (element > segment.Low && element < segment.High) return segment.Slope;
        return 0;
    }
}
