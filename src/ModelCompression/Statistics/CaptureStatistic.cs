namespace ModelCompression.Statistics;

/// <summary>Keeps a tensor of every sample, for comparisons over a few samples: the one statistic whose size grows with them.</summary>
/// <param name="limit">Samples to keep, the first ones.</param>
public sealed class CaptureStatistic(int limit) : TensorStatistic
{
    private readonly List<float[]> samples = [];

    /// <summary>Elements per sample, in sample order.</summary>
    public IReadOnlyList<float[]> Samples => samples;

    /// <inheritdoc/>
    public override object? Measure(TensorView x) => x.Sample < limit ? x.Data.ToArray() : null;

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        if (partial is float[] elements) samples.Add(elements);
    }
}
