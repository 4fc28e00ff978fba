using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Mean per index of one axis of each sample on its own: what it takes to compare two models on the same samples and to know how sure the difference is.</summary>
/// <remarks>Memory: one number per channel and sample; meant for a few hundred samples (<see cref="StatisticsPlan.SampleLimit"/>).</remarks>
/// <param name="axis">The axis; negative counts from the end.</param>
public sealed class SampleMeansStatistic(int axis) : TensorStatistic
{
    private readonly MergedParts<ChannelSums> merged = new();
    private readonly List<double[]> samples = [];

    /// <summary>Elements per channel, all samples together.</summary>
    public long Count { get; private set; }

    /// <summary>Means per channel, one array per sample in sample order. A sample without the axis or without elements has an empty one.</summary>
    public IReadOnlyList<double[]> Samples => samples;

    /// <summary>The key under which passes share it.</summary>
    public static string Key(int axis) => FormattableString.Invariant($"sample means:{axis}");

    /// <inheritdoc/>
    public override object? Measure(TensorView x) => ChannelStatistic.Sums(x, axis, merged.Take());

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        if (partial is not ChannelSums part)
        {
            samples.Add([]);
            return;
        }

        Count += part.Count;
        samples.Add(Array.ConvertAll(part.Sums, s => s / part.Count));
        merged.Return(part);
    }
}
