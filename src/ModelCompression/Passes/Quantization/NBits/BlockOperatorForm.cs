using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>A weight that a com.microsoft operator unpacks while it runs: uint8 codes, scales per block, zero points if there are any.</summary>
internal abstract class BlockOperatorForm : NBitForm
{
    private readonly Tensor codes;
    private readonly Tensor? zeroPoints;
    private readonly PreparedRecipe scales;

    /// <summary>Takes packed codes and packs the rest.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="weight">The weight.</param>
    /// <param name="codes">uint8, in the operator's layout.</param>
    protected BlockOperatorForm(NBitPlan plan, NBitWeight weight, Tensor codes)
        : base(plan)
    {
        var grid = plan.Grid;
        this.codes = codes;
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
            if (DefersPacking) total += RuntimeOperators.DeferringByteLength(NameByteLength);
            if (IsHalf) total += 2L * Plan.Site.Uses.Count * ProtobufLength.Prefixed(ProtobufLength.Node("Cast", [NameByteLength, NameByteLength], [NodeAttribute.Of("to", (long)DataType.Float)]));
            return total + (Plan.Site.Uses.Count * ProtobufLength.Prefixed(ProtobufLength.Node(Description, [6, 6, 6], Attributes) + ProtobufLength.Prefixed(RuntimeOperators.Domain.Length)));
        }
    }

    /// <summary>The operator's attributes.</summary>
    protected abstract NodeAttribute[] Attributes { get; }

    /// <summary>True for MatMulNBits that rounds its operand to integers.</summary>
    protected virtual bool ComputesWithIntegers => false;

    private bool DefersPacking => RuntimeOperators.DefersPacking(ComputesWithIntegers, hasConstantCodes: true, hasConstantScales: !scales.IsComputed);

    /// <summary>True for a binary16 weight.</summary>
    protected bool IsHalf => Plan.Site.Tensor.DataType == DataType.Float16;

    /// <inheritdoc/>
    public sealed override void Write(UnpackingSection section, string name)
    {
        bool asNodes = Plan.Target.UsesConstantNodes;
        var data = section.AddConstant(name + ".q", codes, asNodes);
        if (DefersPacking) data = section.AddNode("Identity", [data], name + ".b");
        var scale = scales.Emit(section, name + ".s");
        var zeros = zeroPoints is null ? null : section.AddConstant(name + ".z", zeroPoints, asNodes);
        foreach (var use in Plan.Site.Uses) Replace(use.Node, data, zeros is null ? [scale] : [scale, zeros]);
    }

    /// <summary>Puts the operator in the place of a consumer.</summary>
    /// <param name="node">The consumer.</param>
    /// <param name="codes">The codes.</param>
    /// <param name="maps">Scales, and zero points if there are any.</param>
    protected abstract void Replace(Node node, Value codes, Value[] maps);
}
