using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ModelCompression.Analysis.Costs;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Passes.Quantization;

/// <summary>Codes, scales and zero points of one weight.</summary>
/// <param name="Codes">int8 or uint8; int16 for wider codes; float16. Shape of the weight, of its blocks, or of <see cref="WeightPlan.Product"/>.</param>
/// <param name="Scales">Binary32, one per channel, flat; empty for float16.</param>
/// <param name="ZeroPoints">One per channel, flat; all zero for symmetric codes.</param>
/// <param name="Noise">Loss of the weight as it is used at run time.</param>
internal sealed record EncodedWeight(Tensor Codes, float[] Scales, int[] ZeroPoints, QuantizationNoise Noise)
{
    /// <summary>With blocks: each block's scale as a multiple of its channel's; otherwise empty.</summary>
    public byte[] BlockMultiples { get; init; } = [];

    /// <summary>The code of zero when the codes are positions in a table of levels; otherwise null.</summary>
    public byte? ZeroLevel { get; init; }

    /// <summary>Elements that are not zero in what the model computes with.</summary>
    public long NonZeroCount { get; init; }

    /// <summary>Quantizes a weight as planned; null when it has NaN or infinite elements, which no integer stands for.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    public static EncodedWeight? TryMake(WeightPlan plan, int threads) =>
        plan is { Product: { HasOwnScales: true, IsTransposed: false } product } ? product.TryEncode(FloatElements.AsFloat(plan.Site.Tensor), plan.Codes, threads)
        : Make(plan, threads) is { } weight ? weight with { NonZeroCount = weight.CountNonZeros(plan) } : null;

    /// <summary>As many scales and zero points as a weight will have, before it is encoded.</summary>
    public static EncodedWeight ForSize(WeightPlan plan, BlankTensors blanks)
    {
        var blocks = plan.Precision.HasBlocks ? plan.Blocks : null;
        int scales = plan.Precision.IsHalf ? 0 : blocks is null ? plan.Layout.ScaleCount : (int)Tensor.CountElements(blocks.ChannelScales);
        return new(blanks.Of(DataType.UInt8, [0]), new float[scales], new int[scales], default) { BlockMultiples = new byte[blocks?.Layout.ScaleCount ?? 0] };
    }

    private long CountNonZeros(WeightPlan plan)
    {
        if (plan.Product is { } product) return product.CountNonZeros(Codes, ZeroPoints, plan.Codes.IsSymmetric);
        var layout = plan.Precision.HasBlocks ? plan.Blocks!.Layout : plan.Layout;
        if (ZeroLevel is { } level) return Codes.ElementCount - Codes.AsSpan<byte>().Count(level);
        // Blocks and wide codes are symmetric.
        return Codes.DataType == DataType.UInt8 ? Codes.ElementCount - CodeZeros.Count(Codes.AsSpan<byte>(), layout, ZeroPoints) : NonZeroCounter.Count([Codes])[0];
    }

    private static EncodedWeight? Make(WeightPlan plan, int threads)
    {
        var weight = FloatElements.AsFloat(plan.Site.Tensor);
        if (plan.Precision.IsHalf) return AsHalf(plan, weight);
        var layout = plan.Precision.HasBlocks ? plan.Blocks!.Layout : plan.Layout;
        var ranges = KnownRanges(plan) ?? ChannelRanges.Of(weight, layout, threads);
        if (!ranges.AllFinite) return null;
        if (plan.Precision.IsCurved) return AsCurved(plan, weight, layout, ranges);
        var codes = plan.Precision.IsWide ? CodeRange.Symmetric(plan.Precision.Bits) : plan.Codes;
        if (plan.Precision.HasBlocks)
        {
            var scales = BlockScales.Of(ranges, plan.Blocks!, codes.Highest, plan.Precision.HalfScales);
            var (blocks, blockNoise) = Encode(plan, weight, layout, scales.Effective, codes, plan.Blocks!.Codes, threads);
            return new(blocks, scales.Steps, new int[scales.Steps.Length], blockNoise) { BlockMultiples = scales.Multiples };
        }

        var maps = new AffineScale[layout.ScaleCount];
        for (int s = 0; s < maps.Length; s++) maps[s] = Stored(plan, AffineScale.Covering(ranges.Min[s], ranges.Max[s], codes));
        var (tensor, noise) = plan.Product?.Encode(weight, layout, maps, codes, threads) ?? Encode(plan, weight, layout, maps, codes, weight.Dims, threads);
        return new(tensor, Array.ConvertAll(maps, s => s.Scale), Array.ConvertAll(maps, s => s.ZeroPoint), noise);
    }

    /// <summary>Fraction of elements with the one code that is 0 in all channels; 0 when there is none.</summary>
    /// <param name="plan">The weight's plan.</param>
    public double ZeroFraction(WeightPlan plan)
    {
        bool isOneCode = ZeroLevel is not null || Codes.DataType == DataType.Int8 || (plan.Product is not null && plan.Codes.IsSymmetric);
        return isOneCode && Codes.ElementCount > 0 ? 1 - (NonZeroCount / (double)plan.Site.Tensor.ElementCount) : 0;
    }

    /// <summary>What the planner has seen already; a channel's range is the largest of its blocks.</summary>
    private static ChannelRanges? KnownRanges(WeightPlan plan)
    {
        if (plan.Ranges is not { } known || plan.Blocks is not { } blocks || plan.Precision.HasBlocks) return plan.Ranges;
        float[] largest = BlockScales.LargestPerChannel(known, blocks);
        return new(Array.ConvertAll(largest, m => -m), largest, known.Energy, known.AllFinite);
    }

    private static (Tensor Codes, QuantizationNoise Noise) Encode(WeightPlan plan, Tensor weight, ChannelLayout layout, AffineScale[] scales, CodeRange codes, ReadOnlySpan<long> shape, int threads)
    {
        if (plan.Precision.IsWide)
        {
            byte[] wide = GC.AllocateUninitializedArray<byte>(layout.ElementCount * sizeof(short));
            var wideNoise = AffineQuantizer.QuantizeWide(weight, layout, scales, codes, wide, threads);
            wideNoise += Balance<short, EvenLevels<short>>(plan, weight, layout, scales, new EvenLevels<short>(codes), wide);
            return (Tensor.Create(DataType.Int16, shape, wide), wideNoise);
        }

        byte[] bytes = GC.AllocateUninitializedArray<byte>(layout.ElementCount);
        var noise = AffineQuantizer.Quantize(weight, layout, scales, codes, bytes, threads);
        if (plan.IsAdaptive) noise += Balance<sbyte, EvenLevels<sbyte>>(plan, weight, layout, scales, new EvenLevels<sbyte>(codes), bytes);
        return (Tensor.Create(codes.IsSymmetric ? DataType.Int8 : DataType.UInt8, shape, bytes), noise);
    }

    private static EncodedWeight AsCurved(WeightPlan plan, Tensor weight, ChannelLayout layout, ChannelRanges ranges)
    {
        byte[] bytes = GC.AllocateUninitializedArray<byte>(layout.ElementCount);
        var levels = new CurvedCodes(plan.Precision.Curvature, plan.Precision.Bits);
        if (plan.Precision.HasBlocks)
        {
            var blocks = BlockScales.Of(ranges, plan.Blocks!, levels.Highest, plan.Precision.HalfScales);
            var blockNoise = CurvedQuantizer.Quantize(weight, layout, blocks.Effective, levels, bytes);
            blockNoise += Balance<byte, CurvedLevels>(plan, weight, layout, blocks.Effective, new CurvedLevels(levels), bytes);
            return new(Tensor.Create(DataType.UInt8, plan.Blocks!.Codes, bytes), blocks.Steps, [], blockNoise) { BlockMultiples = blocks.Multiples, ZeroLevel = (byte)levels.Offset };
        }

        var scales = new AffineScale[layout.ScaleCount];
        for (int s = 0; s < scales.Length; s++) scales[s] = Stored(plan, AffineScale.Covering(ranges.Min[s], ranges.Max[s], CodeRange.Symmetric(plan.Precision.Bits)));
        var noise = CurvedQuantizer.Quantize(weight, layout, scales, levels, bytes);
        noise += Balance<byte, CurvedLevels>(plan, weight, layout, scales, new CurvedLevels(levels), bytes);
        return new(Tensor.Create(DataType.UInt8, weight.Dims, bytes), Array.ConvertAll(scales, s => s.Scale), [], noise) { ZeroLevel = (byte)levels.Offset };
    }

    private static AffineScale Stored(WeightPlan plan, AffineScale scale) => plan.Precision.HalfScales is { } half ? scale with { Scale = half.RoundUp(scale.Scale) } : scale;

    /// <summary>Lets the errors of every output channel add up to about zero; returns the noise that this adds.</summary>
    private static QuantizationNoise Balance<TCode, TLevels>(WeightPlan plan, Tensor weight, ChannelLayout layout, AffineScale[] scales, TLevels levels, byte[] codes)
        where TCode : struct
        where TLevels : struct, ICodeLevels<TCode>
    {
        int channels = plan.Layout.Channels;
        float[]? means = plan.Offsets?.Means;
        double[] added = new double[Math.Min(channels, ElementBlocks.Count(layout.ElementCount))];
        Parallel.For(0, added.Length, part =>
        {
            int first = (int)((long)channels * part / added.Length), end = (int)((long)channels * (part + 1) / added.Length);
            var errors = new RoundingErrors<TCode, TLevels>(weight.AsSpan<float>(), plan.Layout, layout, scales, levels, MemoryMarshal.Cast<byte, TCode>(codes.AsSpan()));
            added[part] = ErrorBalance.Apply(errors, first, end - first);
            if (means is null) return;
            var weighted = errors.Weighted(means);
            added[part] += ErrorBalance.Apply(weighted, first, end - first);
            for (int c = first; c < end; c++)
            {
                added[part] += weighted.Settle(c);
                plan.Offsets!.Values[c] = (float)weighted.Sum(c);
            }
        });
        double total = 0;
        foreach (double part in added) total += part;
        return new(0, total);
    }

    private static EncodedWeight AsHalf(WeightPlan plan, Tensor weight)
    {
        var elements = weight.AsSpan<float>();
        byte[] bytes = GC.AllocateUninitializedArray<byte>(elements.Length * Unsafe.SizeOf<Half>());
        var halves = MemoryMarshal.Cast<byte, Half>(bytes.AsSpan());
        TensorPrimitives.ConvertToHalf(elements, halves);
        var scales = new AffineScale[plan.Layout.ScaleCount];
        Array.Fill(scales, new AffineScale(1, 0));
        Balance<Half, HalfLevels>(plan, weight, plan.Layout, scales, default, bytes);
        double signal = 0, noise = 0;
        for (int i = 0; i < halves.Length; i++)
        {
            double error = elements[i] - (float)halves[i];
            signal += (double)elements[i] * elements[i];
            noise += error * error;
        }

        return new(Tensor.Create(DataType.Float16, weight.Dims, bytes), [], [], new(signal, noise));
    }
}
