namespace ModelCompression.Numerics;

/// <summary>The integers a quantized element may take.</summary>
/// <param name="Lowest">Smallest code.</param>
/// <param name="Highest">Largest code.</param>
/// <param name="IsSymmetric">True when the zero point is always 0 and the range is centred on it.</param>
/// <remarks>
/// Symmetric n-bit codes are restricted to ±(2^(n−1)−1), as ONNX Runtime's tools do for int8: 0 lies exactly in the middle, negating a weight negates its code,
/// and u8·s8 products stay one code further from saturation. The code −2^(n−1) would gain at most 20·log10(127.5/127) = 0.03 dB at 8 bits.
/// </remarks>
internal readonly record struct CodeRange(int Lowest, int Highest, bool IsSymmetric)
{
    /// <summary>Number of steps between the outermost codes.</summary>
    public int Steps => Highest - Lowest;

    /// <summary>±(2^(bits−1)−1), stored as int8.</summary>
    public static CodeRange Symmetric(int bits) => new(1 - (1 << (bits - 1)), (1 << (bits - 1)) - 1, true);

    /// <summary>0…2^bits−1, stored as uint8.</summary>
    public static CodeRange Asymmetric(int bits) => new(0, (1 << bits) - 1, false);
}
