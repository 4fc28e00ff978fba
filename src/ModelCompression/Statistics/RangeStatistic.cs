using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Smallest and largest element of a tensor over all samples.</summary>
public sealed class RangeStatistic : TensorStatistic
{
    private readonly MergedParts<Part> merged = new();

    /// <summary>The key under which passes share it.</summary>
    public const string Key = "range";

    /// <summary>Smallest finite element; +∞ when there was none.</summary>
    public float Min { get; private set; } = float.PositiveInfinity;

    /// <summary>Largest finite element; −∞ when there was none.</summary>
    public float Max { get; private set; } = float.NegativeInfinity;

    /// <summary>True if some element was NaN or infinite.</summary>
    public bool HasNonFinite { get; private set; }

    /// <summary>Number of elements over all samples.</summary>
    public long Total { get; private set; }

    /// <summary>True if there was a finite element.</summary>
    public bool IsKnown => Min <= Max;

    /// <inheritdoc/>
    public override object? Measure(TensorView x)
    {
        var part = merged.Take() ?? new Part();
        (part.Range, part.Count) = (SpanRange.Of(x.Data), x.Data.Length);
        return part;
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        var part = (Part)partial!;
        var range = part.Range;
        Total += part.Count;
        Min = Math.Min(Min, range.Min);
        Max = Math.Max(Max, range.Max);
        HasNonFinite |= !range.AllFinite;
        merged.Return(part);
    }

    private sealed class Part
    {
        public SpanRange Range { get; set; }

        public int Count { get; set; }
    }
}
