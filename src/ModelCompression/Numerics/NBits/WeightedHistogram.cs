namespace ModelCompression.Numerics.NBits;

/// <summary>Weighted sums of numbers in equally wide bins: what optimal palettes are computed from.</summary>
/// <param name="min">Smallest number.</param>
/// <param name="max">Largest number.</param>
internal sealed class WeightedHistogram(float min, float max)
{
    /// <summary>Bins: fine enough that 256 palette values have sixteen bins each.</summary>
    public const int Bins = 4096;

    private readonly float perUnit = max > min ? Bins / (max - min) : 0;

    /// <summary>Σ weight per bin.</summary>
    public double[] Weight { get; } = new double[Bins];

    /// <summary>Σ weight · number per bin.</summary>
    public double[] Sum { get; } = new double[Bins];

    /// <summary>Adds x / scale for all elements, each with weight scale², so that errors count as they do in x. Zeros are left out on request.</summary>
    public void Add(ReadOnlySpan<float> x, float scale, bool skipZeros)
    {
        double weight = (double)scale * scale;
        float factor = 1 / scale;
        foreach (float element in x)
        {
            if (skipZeros && element == 0) continue;
            float value = element * factor;
            int bin = (int)Math.Clamp((value - min) * perUnit, 0, Bins - 1);
            Weight[bin] += weight;
            Sum[bin] += weight * value;
        }
    }

    /// <summary>Adds another one with the same borders.</summary>
    public void Add(WeightedHistogram other)
    {
        for (int i = 0; i < Bins; i++)
        {
            Weight[i] += other.Weight[i];
            Sum[i] += other.Sum[i];
        }
    }
}
