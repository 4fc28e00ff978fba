using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>
/// Smallest and largest element of a tensor over all samples. Of a tensor without elements below 0 the smallest may be given as 0, and of one without elements above 0 some element, or 0, as the
/// largest: every range of codes includes 0.
/// </summary>
/// <param name="floor">Where it does not matter how much smaller elements get; the smallest found so far may then be given.</param>
/// <param name="ceiling">Where it does not matter how much larger they get.</param>
public sealed class RangeStatistic(double floor = double.NegativeInfinity, double ceiling = double.PositiveInfinity) : TensorStatistic
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

    /// <inheritdoc/>
    public override double ElementCount => counted == 0 ? 0 : (double)total / counted;

    /// <summary>True if there was a finite element.</summary>
    public bool IsKnown => Min <= Max;

    /// <inheritdoc/>
    public override int WholeSamples => 1;

    /// <inheritdoc/>
    public override Extremes Open => (Min > floor ? Extremes.Low : Extremes.None) | (Max < ceiling ? Extremes.High : Extremes.None);

    /// <inheritdoc/>
    public override object? Measure(TensorView x) => Found(SpanRange.Of(x.Data), x.Data.Length);

    /// <inheritdoc/>
    public override object? MeasureExtremes(TensorView highs, TensorView lows)
    {
        var (high, low) = (SpanRange.Of(highs.Data), SpanRange.Of(lows.Data));
        return Found(new(low.Min, high.Max, high.AllFinite && low.AllFinite), null);
    }

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
