using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Codes, scales and zero points of one weight.</summary>
/// <param name="Codes">One per byte, in the order of the weight's elements.</param>
/// <param name="Scales">Scales.</param>
/// <param name="ZeroPoints">Per scale number; empty when the zero point is the middle code everywhere.</param>
/// <param name="Noise">Loss of the weight as it is used at run time.</param>
internal sealed record NBitWeight(byte[] Codes, StoredScales Scales, float[] ZeroPoints, QuantizationNoise Noise)
{
    /// <summary>Values of the codes; empty for evenly spaced levels.</summary>
    public float[] Palette { get; init; } = [];

    /// <summary>4-bit codes in rows, two per byte, instead of <see cref="Codes"/>; null when they are not packed.</summary>
    public RecycledTensorData? Pairs { get; init; }

    /// <summary>True when scales or codes were chosen with the mean of the layer's inputs in view.</summary>
    public bool KeepsMean { get; init; }

    /// <summary>Elements that are not zero in what the model computes with.</summary>
    public required long NonZeroCount { get; init; }

    /// <summary>Fraction of elements with the code of 0; 0 when there is no such code for all.</summary>
    public double ZeroFraction()
    {
        if (ZeroPoints.Length > 0 || Codes.Length == 0) return 0;
        return 1 - (NonZeroCount / (double)Codes.Length);
    }
}
