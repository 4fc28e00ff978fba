namespace ModelCompression.Statistics;

/// <summary>Keeps a tensor of every sample, for comparisons over a few samples: the one statistic whose size grows with them.</summary>
public sealed class CaptureStatistic(bool center = false) : TensorStatistic
{
    private readonly List<float[]> samples = [];

    /// <summary>Elements per sample, in sample order.</summary>
    public IReadOnlyList<float[]> Samples => samples;

    /// <inheritdoc/>
    public override object? Measure(TensorView x) => Center ? Centered(x) : x.Data.ToArray();

    internal bool Center => center;

    internal static float[] Centered(TensorView x)
    {
        float[] r = x.Data.ToArray();
        int w = (int)x.Shape[^1];
        for (int i = 0; i < r.Length; i += w)
        {
            float m = System.Numerics.Tensors.TensorPrimitives.Sum<float>(r.AsSpan(i, w)) / w;
            System.Numerics.Tensors.TensorPrimitives.Subtract(r.AsSpan(i, w), m, r.AsSpan(i, w));
        }
        return r;
    }

    /// <inheritdoc/>
    public override void Merge(object? partial) => samples.Add((float[])partial!);
}
