using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Smallest and largest element of a tensor over all samples.</summary>
public sealed class RangeStatistic : TensorStatistic
{
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
    public override object? Measure(TensorView x) => (SpanRange.Of(x.Data), x.Data.Length);

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        var (range, count) = ((SpanRange, int))partial!;
        Total += count;
        Min = Math.Min(Min, range.Min);
        Max = Math.Max(Max, range.Max);
        HasNonFinite |= !range.AllFinite;
    }
}
