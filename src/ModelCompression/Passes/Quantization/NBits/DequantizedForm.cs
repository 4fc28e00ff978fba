using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>A weight as int4, uint4, int8 or uint8 and <c>DequantizeLinear</c> per tensor, channel or block (opset 21).</summary>
internal sealed class DequantizedForm : NBitForm
{
    /// <summary>int4, uint4 and blocks.</summary>
    private const long BlockOpset = 21;

    /// <summary>An axis for scales per channel.</summary>
    private const long AxisOpset = 13;

    private readonly Tensor codes;
    private readonly Tensor? zeroPoints;
    private readonly PreparedRecipe scales;

    /// <summary>Packs a weight.</summary>
    public DequantizedForm(NBitPlan plan, NBitWeight weight)
        : base(plan)
    {
        var grid = plan.Grid;
        codes = Pack(weight.Codes, ViewDims(plan), weight.ZeroPoints.Length == 0);
        int transposed = grid.Blocks > 1 && grid.IsTransposed ? grid.Rows : 0;
        if (weight.ZeroPoints.Length > 0)
            zeroPoints = Pack(ScaleRecipe.Arranged(Array.ConvertAll(weight.ZeroPoints, z => (byte)z), transposed), ScaleDims(plan), false);
        long[] stepDims = grid.IsTransposed ? [grid.ScaleRows] : [grid.ScaleRows, 1];
        scales = new ScaleRecipe(weight.Scales, ScaleDims(plan), stepDims) { TransposedRows = transposed }.Prepare(Request);
    }

    /// <inheritdoc/>
    public override long ByteLength
    {
        get
        {
            bool nodes = Plan.Target.UsesConstantNodes;
            long total = StoredSize.OfConstant(codes.DataType, codes.Dims, NameByteLength, nodes) + scales.ByteLength + ProtobufLength.Prefixed(ProtobufLength.Node("DequantizeLinear", [6, 6, 6, 6], Attributes));
            if (zeroPoints is not null) total += StoredSize.OfConstant(zeroPoints.DataType, zeroPoints.Dims, NameByteLength, nodes);
            if (!codes.Dims.SequenceEqual(Plan.Site.Tensor.Dims)) total += StoredSize.OfConstant(DataType.Int64, [Plan.Site.Tensor.Rank], NameByteLength, nodes) + ProtobufLength.Prefixed(ProtobufLength.Node("Reshape", [6, 6, 6], []));
            return total;
        }
    }

    /// <inheritdoc/>
    public override string Description => "DequantizeLinear";

    private NodeAttribute[] Attributes
    {
        get
        {
            var grid = Plan.Grid;
            if (grid.Blocks > 1) return [NodeAttribute.Of("axis", grid.IsTransposed ? 0L : 1L), NodeAttribute.Of("block_size", (long)grid.BlockLength)];
            return grid.ScaleCount == 1 ? [] : [NodeAttribute.Of("axis", (long)ChannelAxis(Plan))];
        }
    }

    /// <summary>Why the form is not possible, or null.</summary>
    public static string? WhyNot(NBitPlan plan)
    {
        var grid = plan.Grid;
        if (plan.HasPalette) return "DequantizeLinear has no palettes";
        if (plan.Codes.Bits is not (4 or 8)) return FormattableString.Invariant($"DequantizeLinear has no {plan.Codes.Bits}-bit type");
        long needed = plan.Codes.Bits == 4 || grid.Blocks > 1 ? BlockOpset : grid.ScaleCount > 1 ? AxisOpset : UnpackingOperators.SliceInputsOpset;
        if (plan.Target.Opset < needed) return FormattableString.Invariant($"this DequantizeLinear needs opset {needed}, the model has {plan.Target.Opset}");
        if (plan.Site.Tensor.DataType != DataType.Float) return $"DequantizeLinear yields the type of its scales, the weight is {plan.Site.Tensor.DataType}";
        return null;
    }

    /// <inheritdoc/>
    public override void Write(UnpackingSection section, string name)
    {
        var stored = section.AddConstant(name + ".q", codes, Plan.Target.UsesConstantNodes);
        var scale = scales.Emit(section, name + ".s");
        var zeros = zeroPoints is null ? null : section.AddConstant(name + ".z", zeroPoints, Plan.Target.UsesConstantNodes);
        long[] dims = Plan.Site.Tensor.Dims.ToArray();
        var value = section.AddNode("DequantizeLinear", zeros is null ? [stored, scale] : [stored, scale, zeros], name, Attributes);
        if (!codes.Dims.SequenceEqual(dims)) value = section.AddNode("Reshape", [value, section.AddConstant(name + ".n", Tensor.Int64([dims.Length], dims), Plan.Target.UsesConstantNodes)], name);
        Replace(value);
    }

    private Tensor Pack(byte[] content, long[] dims, bool isSigned)
    {
        byte middle = (byte)Plan.Codes.Middle;
        byte[] signed = isSigned ? Array.ConvertAll(content, c => (byte)(c - middle)) : content;
        if (Plan.Codes.Bits == 8) return Tensor.Create(isSigned ? DataType.Int8 : DataType.UInt8, dims, signed);
        byte[] packed = new byte[(content.Length + 1) / 2];
        BitPlanes.PackPairs(signed, 0, packed);
        return Tensor.Create(isSigned ? DataType.Int4 : DataType.UInt4, dims, packed);
    }

    /// <summary>The one axis with a scale for each index; rows where there are two.</summary>
    private static int ChannelAxis(NBitPlan plan) => !IsRowView(plan) ? plan.Use.ChannelAxes[^1] : plan.Grid.IsTransposed ? 1 : 0;

    /// <summary>True when the weight has to be seen as rows: for blocks, and when scales vary along two axes.</summary>
    private static bool IsRowView(NBitPlan plan)
    {
        var grid = plan.Grid;
        if (grid.Blocks > 1) return true;
        return grid.ScaleCount > 1 && grid.ScaleCount != plan.Site.Tensor.Dims[plan.Use.ChannelAxes[^1]];
    }

    private static long[] ViewDims(NBitPlan plan) => !IsRowView(plan) ? plan.Site.Tensor.Dims.ToArray() : plan.Grid.IsTransposed ? [plan.Grid.Length, plan.Grid.Rows] : [plan.Grid.Rows, plan.Grid.Length];

    private static long[] ScaleDims(NBitPlan plan)
    {
        var grid = plan.Grid;
        if (grid.Blocks > 1) return grid.IsTransposed ? [grid.Blocks, grid.Rows] : [grid.Rows, grid.Blocks];
        return grid.ScaleCount == 1 ? [] : [grid.ScaleCount];
    }
}
