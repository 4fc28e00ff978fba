using System.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>MatMul or Gemm as com.microsoft <c>MatMulNBits</c>: Y = A·dequant(B)ᵀ with B [N, ⌈K/block⌉, block·bits/8].</summary>
/// <remarks>
/// The kernels exist for 2, 4 and 8 bits and blocks of 16, 32, 64, … <c>accuracy_level</c> 4 lets them round each block of A to 8 bits, 0 keeps A in its type
/// (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
/// </remarks>
internal sealed class MatMulNBitsForm : BlockOperatorForm
{
    /// <summary>Packs a weight whose codes are in row order.</summary>
    public MatMulNBitsForm(NBitPlan plan, NBitWeight weight)
        : base(plan, weight, Pack(plan, weight))
    {
    }

    /// <inheritdoc/>
    public override string Description => "MatMulNBits";

    /// <inheritdoc/>
    protected override NodeAttribute[] Attributes => RuntimeOperators.ProductAttributes(Plan.Grid.Length, Plan.Grid.Rows, Plan.Codes.Bits, Plan.Options.BlockSize, ComputesWithIntegers);

    /// <inheritdoc/>
    protected override bool ComputesWithIntegers => Plan.Options.ActivationBits == 8;

    /// <summary>Why the form is not possible, or null.</summary>
    public static string? WhyNot(NBitPlan plan)
    {
        if (plan.HasPalette) return "MatMulNBits has no palettes";
        if (plan.Codes.Bits is not (2 or 4 or 8)) return FormattableString.Invariant($"MatMulNBits has no {plan.Codes.Bits}-bit kernel");
        if (!RuntimeOperators.Takes(plan.Site.Tensor.DataType)) return $"the weight is {plan.Site.Tensor.DataType}";
        if (plan.Target.IsInFunction) return "the weight is in a function";
        foreach (var use in plan.Site.Uses)
        {
            if (!use.ChannelAxes.SequenceEqual(plan.Use.ChannelAxes)) return "its consumers sum over different axes";
            if (RuntimeOperators.WhyNoProduct(use, plan.Site.Tensor) is { } reason) return reason;
        }

        return BitOperations.IsPow2(plan.Options.BlockSize) ? null : "blocks have to be a power of two long";
    }

    /// <inheritdoc/>
    protected override void Replace(Node node, Value codes, Value[] maps) => RuntimeOperators.ReplaceProduct(node, [codes, .. maps], Attributes, IsHalf);

    private static Tensor Pack(NBitPlan plan, NBitWeight weight)
    {
        var grid = plan.Grid;
        int blockBytes = plan.Options.BlockSize * plan.Codes.Bits / 8;
        var packed = weight.Pairs ?? TensorData.FromArray(BlockPacking.Pack(weight.Codes, grid.Rows, grid.Length, grid.Blocks * plan.Options.BlockSize, plan.Codes.Bits, (byte)plan.Codes.Middle));
        return new(DataType.UInt8, [grid.Rows, grid.Blocks, blockBytes], packed);
    }
}
