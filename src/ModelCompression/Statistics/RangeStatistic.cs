using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Smallest and largest element of a tensor over all samples. Of a tensor without elements below 0 the smallest may be given as 0.</summary>
public sealed class RangeStatistic : TensorStatistic
{
    private readonly MergedParts<Part> merged = new();
    private long total;
    private int counted;

    /// <summary>The key under which passes share it.</summary>
    public const string Key = "range";

    /// <summary>Smallest finite element; +∞ when there was none.</summary>
    public float Min { get; private set; } = float.PositiveInfinity;

    /// <summary>Largest finite element; −∞ when there was none.</summary>
    public float Max { get; private set; } = float.NegativeInfinity;

    /// <summary>True if some element was NaN or infinite.</summary>
    public bool HasNonFinite { get; private set; }

    /// <summary>Elements of an average sample; 0 before the first.</summary>
    public double ElementCount => counted == 0 ? 0 : (double)total / counted;

    /// <summary>True if there was a finite element.</summary>
    public bool IsKnown => Min <= Max;

    /// <inheritdoc/>
    public override int WholeSamples => 1;

    /// <inheritdoc/>
    public override object? Measure(TensorView x) => Found(SpanRange.Of(x.Data), x.Data.Length);

    /// <inheritdoc/>
    public override object? MeasurePeaks(TensorView peaks) => Found(SpanRange.Of(peaks.Data) with { Min = 0 }, null);

    private Part Found(SpanRange range, int? count)
    {
        var part = merged.Take() ?? new Part();
        (part.Range, part.Count) = (range, count);
        return part;
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        var part = (Part)partial!;
        var range = part.Range;
        if (part.Count is { } count) (total, counted) = (total + count, counted + 1);
        Min = Math.Min(Min, range.Min);
        Max = Math.Max(Max, range.Max);
        HasNonFinite |= !range.AllFinite;
        merged.Return(part);
    }

    private sealed class Part
    {
        public SpanRange Range { get; set; }

        public int? Count { get; set; }
    }
}
