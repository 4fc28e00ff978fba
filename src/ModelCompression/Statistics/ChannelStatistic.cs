using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Per index of one axis: mean, mean square, smallest and largest element over all other axes and all samples.</summary>
/// <param name="axis">The axis; negative counts from the end.</param>
/// <param name="momentSamples">Samples that tell mean and mean square, the first ones: these settle sooner than extremes, and cost more.</param>
public sealed class ChannelStatistic(int axis, int momentSamples = int.MaxValue) : TensorStatistic
{
    private double[] sums = [];
    private double[] squares = [];
    private readonly MergedParts<ChannelSums> merged = new();

    /// <summary>Elements per channel in the samples that tell the means.</summary>
    public long Count { get; private set; }

    /// <summary>Number of channels; 0 before the first sample.</summary>
    public int Channels => sums.Length;

    /// <summary>Smallest element per channel.</summary>
    public float[] Min { get; private set; } = [];

    /// <summary>Largest element per channel.</summary>
    public float[] Max { get; private set; } = [];

    /// <summary>False if an element was NaN or infinite; figures of that channel are then meaningless.</summary>
    public bool AllFinite { get; private set; } = true;

    /// <summary>False if samples disagreed about the number of channels; the figures are then those of the first ones.</summary>
    public bool IsConsistent { get; private set; } = true;

    /// <summary>True if every sample had the same channels and all elements were finite.</summary>
    public bool IsUsable => Count > 0 && IsConsistent && AllFinite;

    /// <summary>Means of all channels.</summary>
    public double[] Means => Array.ConvertAll(sums, s => s / Count);

    /// <summary>Means of the squares of all channels.</summary>
    public double[] MeanSquares => Array.ConvertAll(squares, s => s / Count);

    /// <inheritdoc/>
    public override double ElementCount => SampleCount == 0 ? 0 : (double)Count * Channels / Math.Min(SampleCount, momentSamples);

    /// <inheritdoc/>
    public override int WholeSamples => axis == 1 ? momentSamples : int.MaxValue;

    /// <summary>The key under which passes share it.</summary>
    public static string Key(int axis, int momentSamples = int.MaxValue) => FormattableString.Invariant($"channels:{axis}:{momentSamples}");

    /// <summary>Mean of one channel.</summary>
    public double Mean(int channel) => sums[channel] / Count;

    /// <summary>Mean of the squares of one channel.</summary>
    public double MeanSquare(int channel) => squares[channel] / Count;

    /// <summary>Largest magnitude of one channel.</summary>
    public float AbsMax(int channel) => Math.Max(-Min[channel], Max[channel]);

    /// <inheritdoc/>
    public override object? Measure(TensorView x) => Sums(x, axis, merged.Take(), onlyExtremes: x.Sample >= momentSamples);

    /// <inheritdoc/>
    public override object? MeasureExtremes(TensorView highs, TensorView lows)
    {
        var extremes = Sums(highs, axis, merged.Take(), onlyExtremes: true);
        extremes?.AddExtremes(lows.Data, 1);
        return extremes;
    }

    /// <summary>Sums along an axis of one sample; null when it has no such axis or no elements.</summary>
    /// <param name="x">The tensor.</param>
    /// <param name="axis">The axis; negative counts from the end.</param>
    /// <param name="spent">Sums nobody looks at any more, which are filled again where they have as many channels; or null.</param>
    /// <param name="onlyExtremes">True to leave sums and their count 0.</param>
    internal static ChannelSums? Sums(TensorView x, int axis, ChannelSums? spent, bool onlyExtremes = false)
    {
        int at = axis < 0 ? axis + x.Shape.Length : axis;
        if (at < 0 || at >= x.Shape.Length || x.Data.IsEmpty) return null;
        int channels = checked((int)x.Shape[at]), inner = 1;
        foreach (long size in x.Shape[(at + 1)..]) inner = checked(inner * (int)size);
        var sums = spent is not null && spent.Sums.Length == channels ? spent : new ChannelSums(channels);
        if (onlyExtremes) sums.MeasureExtremes(x.Data, inner);
        else sums.Measure(x.Data, inner);
        return sums;
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        if (partial is not ChannelSums part) return;
        Merge(part);
        merged.Return(part);
    }

    private void Merge(ChannelSums part)
    {
        if (sums.Length == 0) (sums, squares, Min, Max) = (new double[part.Sums.Length], new double[part.Sums.Length], Filled(part.Sums.Length, float.PositiveInfinity), Filled(part.Sums.Length, float.NegativeInfinity));
        if (part.Sums.Length != sums.Length)
        {
            IsConsistent = false;
            return;
        }

        Count += part.Count;
        for (int c = 0; c < sums.Length; c++)
        {
            sums[c] += part.Sums[c];
            squares[c] += part.Squares[c];
            Min[c] = Math.Min(Min[c], part.Min[c]);
            Max[c] = Math.Max(Max[c], part.Max[c]);
            AllFinite &= double.IsFinite(part.Sums[c]);
        }

        AllFinite &= part.AllFinite;
    }

    private static float[] Filled(int length, float value)
    {
        float[] array = new float[length];
        Array.Fill(array, value);
        return array;
    }
}
