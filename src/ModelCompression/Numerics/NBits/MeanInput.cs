namespace ModelCompression.Numerics.NBits;

/// <summary>What is known of the inputs that a row of a weight meets.</summary>
/// <remarks>
/// With E = w − ŵ, mean m and variance v of an input element, E[(E·x)²] is about v·Σ E² + (E·m)²: rounding to nearest makes the first term small and leaves the second, which in
/// networks with biases, ReLU, GELU or attention is often the larger one.
/// </remarks>
/// <param name="Means">m, one per element of a row.</param>
/// <param name="Variance">v, the mean over elements; ≥ 0.</param>
internal sealed record MeanInput(float[] Means, float Variance)
{
    private const int MantissaBitsDropped = 12;

    /// <summary>True when the inputs were made up from noise, so that the mean of real ones may be another.</summary>
    public bool IsMadeUp { get; init; }

    /// <summary>Makes one from a sample, or returns null when its mean says nothing.</summary>
    /// <param name="means">Means of the sample.</param>
    /// <param name="energy">Mean over rows of Σ x².</param>
    /// <param name="rows">Rows of the sample.</param>
    /// <remarks>The mean of n rows is off by v/n; the part of Σ m² that this explains is taken away (James and Stein 1961). Low bits are dropped, which differ between processors.</remarks>
    public static MeanInput? Of(ReadOnlySpan<double> means, double energy, long rows)
    {
        if (rows < 2 || !double.IsFinite(energy)) return null;
        double square = 0;
        foreach (double mean in means) square += mean * mean;
        double variance = Math.Max(0, energy - square) * rows / (rows - 1.0), kept = square > 0 ? 1 - (variance / rows / square) : 0;
        if (!(kept > 0)) return null;
        var result = new float[means.Length];
        for (int k = 0; k < result.Length; k++) result[k] = Rounded((float)(means[k] * kept));
        return new(result, Rounded((float)(variance / means.Length)));
    }

    /// <summary>A number without the low bits that differ between processors.</summary>
    internal static float Rounded(float value) =>
        BitConverter.Int32BitsToSingle((int)((BitConverter.SingleToUInt32Bits(value) + (1u << (MantissaBitsDropped - 1))) & ~((1u << MantissaBitsDropped) - 1)));
}
