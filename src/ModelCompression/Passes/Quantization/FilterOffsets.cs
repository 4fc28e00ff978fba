namespace ModelCompression.Passes.Quantization;

/// <summary>What the filters of a convolution meet on average, and what their rounding does to the mean of its outputs.</summary>
/// <param name="means">Waits for the mean inputs of a filter's elements, group after group; null when they are not known.</param>
/// <param name="channels">Output channels.</param>
internal sealed class FilterOffsets(Func<float[]?> means, int channels)
{
    /// <summary>Mean inputs of a filter's elements, group after group; null when they are not known. Waits for them.</summary>
    public float[]? Means => means();

    /// <summary>Σ mean input · (w − ŵ) per output channel, once the filters are encoded; 0 without means.</summary>
    public float[] Values { get; } = new float[channels];
}
