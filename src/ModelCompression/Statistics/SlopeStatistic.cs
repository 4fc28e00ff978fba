using ModelCompression.Numerics;

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
    private readonly (OpenInterval Range, double Slope)[] pieces = [.. segments.Select(s => (new OpenInterval(s.Low, s.High), s.Slope))];
    private readonly MergedParts<Part> merged = new();
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
        var part = merged.Take() is { } spent && spent.Slopes.Length == x.Shape[at] ? spent : new Part(new double[x.Shape[at]]);
        Array.Clear(part.Slopes);
        int run = 1;
        foreach (long size in x.Shape[(at + 1)..]) run = checked(run * (int)size);
        for (int start = 0, c = 0; start < x.Data.Length; start += run, c = c + 1 == part.Slopes.Length ? 0 : c + 1)
        {
            foreach (var (range, slope) in pieces)
                part.Slopes[c] += slope * (run > 1 ? range.Count(x.Data.Slice(start, run)) : range.Contains(x.Data[start]) ? 1 : 0);
        }

        part.Elements = x.Data.Length / part.Slopes.Length;
        return part;
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        if (partial is not Part part) return;
        double[] found = part.Slopes;
        if (sums.Length == 0) sums = new double[found.Length];
        if (found.Length != sums.Length) return;
        count += part.Elements;
        for (int c = 0; c < sums.Length; c++) sums[c] += found[c];
        merged.Return(part);
    }

    private sealed class Part(double[] slopes)
    {
        public double[] Slopes { get; } = slopes;

        public int Elements { get; set; }
    }
}
