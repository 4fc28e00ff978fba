namespace ModelCompression.Statistics;

/// <summary>A tensor as one run produced it, lent for the time of a call.</summary>
/// <param name="data">Elements in row-major order, converted to binary32 where the model computes in another floating point type.</param>
/// <param name="shape">Sizes of this run; empty for a scalar.</param>
/// <param name="sample">Number of the sample, from 0.</param>
public readonly ref struct TensorView(ReadOnlySpan<float> data, ReadOnlySpan<long> shape, int sample)
{
    /// <summary>Elements in row-major order.</summary>
    public ReadOnlySpan<float> Data { get; } = data;

    /// <summary>Sizes; they may differ from sample to sample.</summary>
    public ReadOnlySpan<long> Shape { get; } = shape;

    /// <summary>Number of the sample the tensor belongs to.</summary>
    public int Sample { get; } = sample;
}
