using System.Numerics;
using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>A table whose rows com.microsoft <c>GatherBlockQuantized</c> picks and unpacks: uint8 data with two 4-bit codes or one 8-bit code each.</summary>
internal sealed class GatherBlockForm : NBitForm
{
    private readonly Tensor codes;
    private readonly Tensor? zeroPoints;
    private readonly PreparedRecipe scales;

    /// <summary>Packs a weight.</summary>
    public GatherBlockForm(NBitPlan plan, NBitWeight weight)
        : base(plan)
    {
        var grid = plan.Grid;
        byte[] packed = BlockPacking.Pack(weight.Codes, grid.Rows, grid.Length, grid.Length, plan.Codes.Bits, 0);
        codes = Tensor.Create(DataType.UInt8, [grid.Rows, packed.Length / grid.Rows], packed);
        if (BlockPacking.ZeroPoints(plan, weight) is { } zeros) zeroPoints = Tensor.Create(DataType.UInt8, [grid.Rows, zeros.Length / grid.Rows], zeros);
        scales = new ScaleRecipe(weight.Scales, [grid.Rows, grid.Blocks], [grid.Rows, 1]).Prepare(Request);
    }

    /// <inheritdoc/>
    public override long ByteLength
    {
        get
        {
            bool nodes = Plan.Target.UsesConstantNodes;
            long total = StoredSize.OfConstant(DataType.UInt8, codes.Dims, NameByteLength, nodes) + scales.ByteLength;
            if (zeroPoints is not null) total += StoredSize.OfConstant(DataType.UInt8, zeroPoints.Dims, NameByteLength, nodes);
            return total + (Plan.Site.Uses.Count * ProtobufLength.Prefixed(ProtobufLength.Node("GatherBlockQuantized", [6, 6, 6], Attributes) + ProtobufLength.Prefixed(Microsoft.Length)));
        }
    }

    /// <inheritdoc/>
    public override string Description => "GatherBlockQuantized";

    private NodeAttribute[] Attributes =>
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
        if (plan.Site.Tensor.DataType != DataType.Float) return $"the weight is {plan.Site.Tensor.DataType}";
        if (plan.Target.IsInFunction) return "the weight is in a function";
        if (!plan.Site.Uses.All(u => u.Role == WeightRole.Embedding)) return "not only Gather uses the weight";
        // Packed rows begin at a whole byte.
        if (plan.Codes.Bits == 4 && plan.Grid.Length % 2 != 0) return "rows have an odd number of elements";
        return BitOperations.IsPow2(plan.Options.BlockSize) ? null : "blocks have to be a power of two long";
    }

    /// <inheritdoc/>
    public override void Write(UnpackingSection section, string name)
    {
        bool asNodes = Plan.Target.UsesConstantNodes;
        var data = section.AddConstant(name + ".q", codes, asNodes);
        var scale = scales.Emit(section, name + ".s");
        var zeros = zeroPoints is null ? null : section.AddConstant(name + ".z", zeroPoints, asNodes);
        foreach (var use in Plan.Site.Uses)
        {
            var node = use.Node;
            var inputs = zeros is null ? new[] { data, node.Input(1), scale } : [data, node.Input(1), scale, zeros];
            Replace(node, node.Graph!.AddNode("GatherBlockQuantized", inputs, [node.Output()!.Name + "_n"], Attributes, Microsoft, node.Name, node.Graph.IndexOf(node)).Outputs[0]!);
        }
    }
}
