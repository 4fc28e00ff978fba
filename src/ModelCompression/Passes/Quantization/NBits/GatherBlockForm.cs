using System.Numerics;
using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>A table whose rows com.microsoft <c>GatherBlockQuantized</c> picks and unpacks: uint8 data with two 4-bit codes or one 8-bit code each.</summary>
internal sealed class GatherBlockForm : BlockOperatorForm
{
    /// <summary>Packs a weight.</summary>
    public GatherBlockForm(NBitPlan plan, NBitWeight weight)
        : base(plan, weight, Pack(plan, weight))
    {
    }

    /// <inheritdoc/>
    public override string Description => "GatherBlockQuantized";

    /// <inheritdoc/>
    protected override NodeAttribute[] Attributes =>
    [
        NodeAttribute.Of("bits", (long)Plan.Codes.Bits),
        NodeAttribute.Of("block_size", (long)Plan.Options.BlockSize),
        NodeAttribute.Of("gather_axis", 0L),
        NodeAttribute.Of("quantize_axis", 1L),
    ];

    /// <summary>Why the form is not possible, or null.</summary>
    public static string? WhyNot(NBitPlan plan)
    {
        if (plan.HasPalette) return "GatherBlockQuantized has no palettes";
        if (plan.Codes.Bits is not (4 or 8)) return FormattableString.Invariant($"GatherBlockQuantized has no {plan.Codes.Bits}-bit kernel");
        if (!RuntimeOperators.Takes(plan.Site.Tensor.DataType)) return $"the weight is {plan.Site.Tensor.DataType}";
        if (plan.Target.IsInFunction) return "the weight is in a function";
        if (!plan.Site.Uses.All(u => u.Role == WeightRole.Embedding)) return "not only Gather uses the weight";
        // Packed rows begin at a whole byte.
        if (plan.Codes.Bits == 4 && plan.Grid.Length % 2 != 0) return "rows have an odd number of elements";
        return BitOperations.IsPow2(plan.Options.BlockSize) ? null : "blocks have to be a power of two long";
    }

    /// <inheritdoc/>
    protected override void Replace(Node node, Value codes, Value[] maps)
    {
        var rows = RuntimeOperators.Add(node, Description, [codes, node.Input(1), .. maps], Attributes);
        RuntimeOperators.Replace(node, IsHalf ? RuntimeOperators.Narrowed(node, rows) : rows);
    }

    private static Tensor Pack(NBitPlan plan, NBitWeight weight)
    {
        var grid = plan.Grid;
        var packed = weight.Pairs ?? TensorData.FromArray(BlockPacking.Pack(weight.Codes, grid.Rows, grid.Length, grid.Length, plan.Codes.Bits, 0));
        return new(DataType.UInt8, [grid.Rows, packed.ByteLength / grid.Rows], packed);
    }
}
