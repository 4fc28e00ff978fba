using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.Dynamic;

/// <summary>Codes, scales and zero points of a weight of an integer kernel.</summary>
/// <param name="Plan">What was asked for.</param>
/// <param name="Codes">Storage of the codes, in the order of the kernel.</param>
/// <param name="Scales">One per scale number, flat.</param>
/// <param name="ZeroPoints">One per scale number, flat, the offset included.</param>
/// <param name="Noise">Loss of the weight.</param>
internal sealed record IntegerWeight(IntegerWeightPlan Plan, PackingPlan Codes, float[] Scales, int[] ZeroPoints, QuantizationNoise Noise)
{
    /// <summary>Elements that are not zero in what the model computes with.</summary>
    public long NonZeroCount { get; private init; }

    /// <summary>True if one zero point stands for all channels.</summary>
    public bool HasCommonZeroPoint => Array.TrueForAll(ZeroPoints, z => z == ZeroPoints[0]);

    /// <summary>Quantizes a weight; null when it has NaN or infinite elements, which no integer stands for.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    public static IntegerWeight? TryMake(IntegerWeightPlan plan, int threads)
    {
        var weight = plan.Operand.Site.Tensor;
        var layout = plan.Layout;
        var ranges = ChannelRanges.Of(weight, layout, threads);
        if (!ranges.AllFinite) return null;
        var maps = new AffineScale[layout.ScaleCount];
        for (int s = 0; s < maps.Length; s++) maps[s] = AffineScale.Covering(ranges.Min[s], ranges.Max[s], plan.Range);
        byte[] codes = GC.AllocateUninitializedArray<byte>(layout.ElementCount);
        var noise = AffineQuantizer.Quantize(weight, layout, maps, plan.Range, codes, threads);
        weight.Data.ReleasePages();
        long zeros = CodeZeros.Count(codes, layout, Array.ConvertAll(maps, m => m.ZeroPoint));
        if (plan.Offset == 128) MatrixBytes.MakeUnsigned(codes);
        long[] dims = plan.Operand.KernelDims;
        if (plan.Operand.IsTransposed) codes = MatrixBytes.Transpose(codes, (int)dims[^1], (int)dims[^2]);
        var stored = TensorPacking.Plan(Tensor.Create(plan.Type, dims, codes), Request(plan));
        stored.Prepare();
        return new(plan, stored, Array.ConvertAll(maps, m => m.Scale), Array.ConvertAll(maps, m => m.ZeroPoint + plan.Offset), noise) { NonZeroCount = codes.Length - zeros };
    }

    /// <summary>Few distinct codes, of narrow codes or of a pruned weight, are packed; the kernel gets bytes all the same.</summary>
    private static PackingRequest Request(IntegerWeightPlan plan) => new(plan.Options.Pruning == PruningCriterion.None ? SparseStorage.Dense : plan.Options.SparseStorage, plan.Target.Opset)
    {
        AllowPalette = plan.Options.WeightBits < 8 || plan.Options.Pruning != PruningCriterion.None,
        UseConstantNodes = plan.Target.UsesConstantNodes,
    };
}
