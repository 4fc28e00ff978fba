using System.Numerics.Tensors;
using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Smallest, largest, mean and mean squared element per index of axis 1, the channels of images.</summary>
public sealed class ChannelRangeStatistic : TensorStatistic
{
    /// <summary>The key under which passes share it.</summary>
    public const string Key = "channel ranges";

    private double[] sums = [];
    private double[] squares = [];
    private long count;

    /// <summary>Smallest element per channel; empty before the first sample.</summary>
    public float[] Min { get; private set; } = [];

    /// <summary>Largest element per channel.</summary>
    public float[] Max { get; private set; } = [];

    /// <summary>Mean per channel.</summary>
    public double[] Means => Array.ConvertAll(sums, s => s / Math.Max(1, count));

    /// <summary>Mean of the squares per channel.</summary>
    public double[] MeanSquares => Array.ConvertAll(squares, s => s / Math.Max(1, count));

    /// <summary>False if samples disagreed about the number of channels, a tensor had none, or an element was not finite.</summary>
    public bool IsUsable { get; private set; } = true;

    /// <inheritdoc/>
    public override object? Measure(TensorView x)
    {
        if (x.Shape.Length < 2 || x.Data.IsEmpty) return null;
        int channels = (int)x.Shape[1], inner = checked((int)(x.Data.Length / x.Shape[0] / channels));
        var ranges = new SpanRange[channels];
        double[] powers = new double[channels], totals = new double[channels];
        Array.Fill(ranges, new SpanRange(float.PositiveInfinity, float.NegativeInfinity, true));
        for (int at = 0, c = 0; at < x.Data.Length; at += inner, c = c + 1 == channels ? 0 : c + 1)
        {
            var range = SpanRange.Of(x.Data.Slice(at, inner));
            powers[c] += TensorPrimitives.SumOfSquares(x.Data.Slice(at, inner));
            totals[c] += TensorPrimitives.Sum(x.Data.Slice(at, inner));
            ranges[c] = new(Math.Min(ranges[c].Min, range.Min), Math.Max(ranges[c].Max, range.Max), ranges[c].AllFinite && range.AllFinite);
        }

        return new Part(ranges, totals, powers, x.Data.Length / channels);
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        if (partial is not Part { Ranges: var ranges } part || (Min.Length > 0 && ranges.Length != Min.Length))
        {
            IsUsable = false;
            return;
        }

        bool first = Min.Length == 0;
        if (first) (Min, Max, sums, squares) = (new float[ranges.Length], new float[ranges.Length], new double[ranges.Length], new double[ranges.Length]);
        count += part.Count;
        for (int c = 0; c < ranges.Length; c++)
        {
            Min[c] = first ? ranges[c].Min : Math.Min(Min[c], ranges[c].Min);
            Max[c] = first ? ranges[c].Max : Math.Max(Max[c], ranges[c].Max);
            sums[c] += part.Sums[c];
            squares[c] += part.Squares[c];
            IsUsable &= ranges[c].AllFinite;
        }
    }

    private sealed record Part(SpanRange[] Ranges, double[] Sums, double[] Squares, long Count);
}
