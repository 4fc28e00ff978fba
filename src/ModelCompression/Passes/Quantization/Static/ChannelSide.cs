namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Where a tensor between float and integer operators can have one scale per channel although integer kernels take one per tensor.</summary>
/// <remarks>
/// Integer kernels of convolutions want one scale for the whole input and one for the whole output. Where the other side of a Q/DQ pair is float, that side may scale each channel by a
/// factor of its own, and the weights take the reciprocal: W′ = W·s_c/s for an input, W′ = W·s/s_c for an output;
/// channels with small values lose no precision to those with large ones. The float side multiplies channels by s/s_c in front of QuantizeLinear, or by s_c/s behind DequantizeLinear, both with the one scale s: these operators know scales per channel, but are some hundred times slower with them.
/// </remarks>
internal enum ChannelSide
{
    /// <summary>One scale.</summary>
    None,

    /// <summary>The producer is float and integer convolutions read the tensor: QuantizeLinear scales per channel.</summary>
    Input,

    /// <summary>An integer convolution produces it and only float operators read it: DequantizeLinear scales per channel.</summary>
    Output,
}
