using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization;

/// <summary>Codes, scales and zero points of one weight.</summary>
/// <param name="Codes">int8 or uint8, shape of the weight.</param>
/// <param name="Scales">Binary32, one per channel, flat.</param>
/// <param name="ZeroPoints">One per channel, flat; all zero for symmetric codes.</param>
/// <param name="Noise">Loss of the weight as it is used at run time.</param>
internal sealed record EncodedWeight(Tensor Codes, float[] Scales, int[] ZeroPoints, QuantizationNoise Noise)
{
    /// <summary>Quantizes a weight as planned; null when it has NaN or infinite elements, which no integer stands for.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    public static EncodedWeight? TryMake(WeightPlan plan, int threads)
    {
        var weight = FloatElements.AsFloat(plan.Site.Tensor);
        var ranges = ChannelRanges.Of(weight, plan.Layout, threads);
        if (!ranges.AllFinite) return null;
        var scales = new AffineScale[plan.Layout.Channels];
        for (int c = 0; c < scales.Length; c++) scales[c] = AffineScale.Covering(ranges.Min[c], ranges.Max[c], plan.Codes);
        byte[] codes = GC.AllocateUninitializedArray<byte>(plan.Layout.ElementCount);
        var noise = AffineQuantizer.Quantize(weight, plan.Layout, scales, plan.Codes, codes, threads);
        var tensor = Tensor.Create(plan.Codes.IsSymmetric ? DataType.Int8 : DataType.UInt8, plan.Site.Tensor.Dims, codes);
        return new(tensor, Array.ConvertAll(scales, s => s.Scale), Array.ConvertAll(scales, s => s.ZeroPoint), noise);
    }

    /// <summary>Fraction of elements that become exactly 0.</summary>
    public double ZeroFraction()
    {
        long zeros = 0;
        var codes = Codes.AsSpan<byte>();
        if (ZeroPoints.Length == 1 || Codes.DataType == DataType.Int8) zeros = codes.Count((byte)ZeroPoints[0]);
        return codes.Length == 0 ? 0 : (double)zeros / codes.Length;
    }
}
