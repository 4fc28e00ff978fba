using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>How the mean per index of one axis differs from what another model gave for the same samples: sums of the differences and of their squares.</summary>
/// <param name="axis">The axis; negative counts from the end.</param>
/// <param name="reference">Means of the other model, of every sample that will be seen.</param>
public sealed class MeanDifferenceStatistic(int axis, SampleMeansStatistic reference) : TensorStatistic
{
    private readonly MergedParts<ChannelSums> merged = new();
    private double[] sums = [];
    private double[] squares = [];

    /// <summary>Number of samples compared.</summary>
    public int Count { get; private set; }

    /// <summary>Number of channels; 0 before the first sample.</summary>
    public int Channels => sums.Length;

    /// <summary>True if every sample of the other model was compared, and all had the same channels in both.</summary>
    public bool IsUsable => !isBroken && Count == reference.Samples.Count;

    private bool isBroken;

    /// <summary>The key under which passes share it.</summary>
    public static string Key(int axis) => FormattableString.Invariant($"mean differences:{axis}");

    /// <summary>Σ (reference − mean) over the samples.</summary>
    public double Sum(int channel) => sums[channel];

    /// <summary>Σ (reference − mean)² over the samples.</summary>
    public double Square(int channel) => squares[channel];

    /// <inheritdoc/>
    public override object? Measure(TensorView x) => ChannelStatistic.Sums(x, axis, merged.Take());

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        double[] wanted = Count < reference.Samples.Count ? reference.Samples[Count] : [];
        if (Count++ == 0) (sums, squares) = (new double[wanted.Length], new double[wanted.Length]);
        if (partial is not ChannelSums part || part.Sums.Length != sums.Length || wanted.Length != sums.Length)
        {
            isBroken = true;
            return;
        }

        for (int c = 0; c < sums.Length; c++)
        {
            double difference = wanted[c] - (part.Sums[c] / part.Count);
            sums[c] += difference;
            squares[c] += difference * difference;
        }

        merged.Return(part);
    }
}
