namespace ModelCompression.Statistics;

/// <summary>Keeps a tensor of every sample, for comparisons over a few samples: the one statistic whose size grows with them.</summary>
public sealed class CaptureStatistic : TensorStatistic
{
    private readonly List<float[]> samples = [];

    /// <summary>Elements per sample, in sample order.</summary>
    public IReadOnlyList<float[]> Samples => samples;

    /// <inheritdoc/>
    public override object? Measure(TensorView x) => x.Data.ToArray();

    /// <inheritdoc/>
    public override void Merge(object? partial) => samples.Add((float[])partial!);
}
