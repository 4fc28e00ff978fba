using System.Numerics;
using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>MatMul or Gemm as com.microsoft <c>MatMulNBits</c>: Y = A·dequant(B)ᵀ with B [N, ⌈K/block⌉, block·bits/8].</summary>
/// <remarks>
/// The kernels exist for 2, 4 and 8 bits and blocks of 16, 32, 64, … <c>accuracy_level</c> 4 lets them round each block of A to 8 bits, 0 keeps A in its type
/// (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md).
/// </remarks>
internal sealed class MatMulNBitsForm : NBitForm
{
    private const int IntegerAccuracyLevel = 4;

    private readonly Tensor codes;
    private readonly Tensor? zeroPoints;
    private readonly PreparedRecipe scales;

    /// <summary>Packs a weight whose codes are in row order.</summary>
    public MatMulNBitsForm(NBitPlan plan, NBitWeight weight)
        : base(plan)
    {
        var grid = plan.Grid;
        int blockBytes = plan.Options.BlockSize * plan.Codes.Bits / 8;
        byte[] packed = BlockPacking.Pack(weight.Codes, grid.Rows, grid.Length, grid.Blocks * plan.Options.BlockSize, plan.Codes.Bits, (byte)plan.Codes.Middle);
        codes = Tensor.Create(DataType.UInt8, [grid.Rows, grid.Blocks, blockBytes], packed);
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
            return total + (Plan.Site.Uses.Count * ProtobufLength.Prefixed(ProtobufLength.Node("MatMulNBits", [6, 6, 6], Attributes) + ProtobufLength.Prefixed(Microsoft.Length)));
        }
    }

    /// <inheritdoc/>
    public override string Description => "MatMulNBits";

    private NodeAttribute[] Attributes =>
    [
        NodeAttribute.Of("K", (long)Plan.Grid.Length),
        NodeAttribute.Of("N", (long)Plan.Grid.Rows),
        NodeAttribute.Of("bits", (long)Plan.Codes.Bits),
        NodeAttribute.Of("block_size", (long)Plan.Options.BlockSize),
        .. Plan.Options.ActivationBits == 8 ? [NodeAttribute.Of("accuracy_level", (long)IntegerAccuracyLevel)] : Array.Empty<NodeAttribute>(),
    ];

    /// <summary>Why the form is not possible, or null.</summary>
    public static string? WhyNot(NBitPlan plan)
    {
        if (plan.HasPalette) return "MatMulNBits has no palettes";
        if (plan.Codes.Bits is not (2 or 4 or 8)) return FormattableString.Invariant($"MatMulNBits has no {plan.Codes.Bits}-bit kernel");
        if (plan.Site.Tensor.DataType != DataType.Float) return $"the weight is {plan.Site.Tensor.DataType}";
        if (plan.Target.IsInFunction) return "the weight is in a function";
        foreach (var use in plan.Site.Uses)
        {
            bool isProduct = use.Node.Is("MatMul") && use.InputIndex == 1 && plan.Site.Tensor.Rank == 2;
            if (isProduct || (use.InputIndex == 1 && GemmView.TryFrom(use.Node, out var gemm) && gemm is { Activation: "", TransA: false, Alpha: 1 } && (gemm.C is null || gemm.Beta == 1))) continue;
            return $"{use.Node.OpType} is not a plain product with a matrix";
        }

        return BitOperations.IsPow2(plan.Options.BlockSize) ? null : "blocks have to be a power of two long";
    }

    /// <inheritdoc/>
    public override void Write(UnpackingSection section, string name)
    {
        bool asNodes = Plan.Target.UsesConstantNodes;
        var b = section.AddConstant(name + ".q", codes, asNodes);
        var scale = scales.Emit(section, name + ".s");
        var zeros = zeroPoints is null ? null : section.AddConstant(name + ".z", zeroPoints, asNodes);
        foreach (var use in Plan.Site.Uses)
        {
            var node = use.Node;
            var graph = node.Graph!;
            var bias = node.Is("Gemm") ? node.Input(2) : null;
            var inputs = zeros is null ? new[] { node.Input(0), b, scale } : [node.Input(0), b, scale, zeros];
            int index = graph.IndexOf(node);
            var product = graph.AddNode("MatMulNBits", inputs, [node.Output()!.Name + "_n"], Attributes, Microsoft, node.Name, index).Outputs[0]!;
            if (bias is not null) product = graph.AddNode("Add", [product, bias], [node.Output()!.Name + "_b"], index: index + 1).Outputs[0]!;
            Replace(node, product);
        }
    }
}
