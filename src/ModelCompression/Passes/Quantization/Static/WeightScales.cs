using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Codes and scales of the weights of linear operators.</summary>
/// <param name="Codes">int8 in the weight's shape.</param>
/// <param name="Scales">One per channel, or one.</param>
/// <param name="Noise">Loss of the weight.</param>
internal sealed record WeightScales(Tensor Codes, float[] Scales, QuantizationNoise Noise)
{
    /// <summary>What the rounding of the weights adds to each output on average over the calibration data; null when it is not known.</summary>
    public double[]? MeanErrors { get; init; }

    /// <summary>What the outputs, and with them the biases, were multiplied by per channel; null for 1.</summary>
    public double[]? OutputFactors { get; init; }

    /// <summary>The same codes with each channel's scale times a factor; a single scale becomes one per channel.</summary>
    public WeightScales ScaledBy(double[] factors)
    {
        float[] scaled = new float[factors.Length];
        for (int c = 0; c < scaled.Length; c++) scaled[c] = (float)(Scales[Scales.Length == 1 ? 0 : c] * factors[c]);
        return this with { Scales = scaled, OutputFactors = factors };
    }

    /// <summary>Quantizes a weight.</summary>
    /// <param name="weight">Binary32, finite.</param>
    /// <param name="axis">Channel axis, or null for one scale.</param>
    /// <param name="codes">Symmetric codes.</param>
    /// <param name="least">Smallest allowed scale per channel (one entry per scale), or empty.</param>
    /// <param name="isPowerOfTwo">True to round scales up to powers of two: fixed point.</param>
    /// <returns>Null when an element is NaN or infinite.</returns>
    public static WeightScales? TryMake(Tensor weight, int? axis, CodeRange codes, ReadOnlySpan<double> least, bool isPowerOfTwo = false)
    {
        var layout = axis is { } a ? ChannelLayout.Of(weight.Dims, [a]) : ChannelLayout.PerTensor(weight.ElementCount);
        var ranges = ChannelRanges.Of(weight, layout);
        if (!ranges.AllFinite) return null;
        var maps = new AffineScale[layout.ScaleCount];
        for (int c = 0; c < maps.Length; c++)
        {
            float scale = AffineScale.Covering(ranges.Min[c], ranges.Max[c], codes).Scale;
            // A channel without weights takes any scale; the smallest keeps its bias precise.
            if (ranges.AbsMax(c) == 0 && least.Length > 0) scale = 0;
            if (least.Length > 0 && scale < least[c]) scale = (float)(least[c] * (1 + 1e-6));
            if (isPowerOfTwo) scale = ActivationScale.PowerOfTwoFrom(scale);
            maps[c] = new(scale > 0 ? scale : 1, 0);
        }

        byte[] output = new byte[weight.ElementCount];
        var noise = AffineQuantizer.Quantize(weight, layout, maps, codes, output);
        return new(Tensor.Create(DataType.Int8, weight.Dims, output), Array.ConvertAll(maps, m => m.Scale), noise);
    }
}
