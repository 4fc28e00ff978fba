using System.Text;
using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;
using ModelCompression.Passes.Float16;

namespace ModelCompression.Passes.Quantization;

/// <summary>Bytes that a weight takes in the file: data, shapes, names and the nodes that unpack it.</summary>
internal static class StoredSize
{
    /// <summary>What one weight bears of the tables of levels that weights share.</summary>
    private const int LevelsShareByteLength = 128;

    /// <summary>The weight as it is now.</summary>
    public static long OfFloat(WeightSite site) =>
        OfConstant(WidenedTensorData.StoredAs(site.Tensor).DataType, site.Tensor.Dims, Encoding.UTF8.GetByteCount(site.Value.Name), site.Value.Producer is not null);

    /// <summary>The weight as planned, codes stored densely.</summary>
    public static long Of(WeightPlan plan)
    {
        var weight = plan.Site.Tensor;
        bool nodes = plan.Target.UsesConstantNodes;
        long total = CodeStorage.DenseByteLength(plan);
        int name = plan.Names.ByteLength;
        if (plan.Precision.IsHalf) return total + OfNode("Cast", [CodesNameByteLength(plan), name], To);
        if (plan.Precision.HasBlocks) return total + OfBlocks(plan, plan.Blocks!, nodes);
        long[] scale = plan.Form == WeightForm.GatheredRows ? ScaleShape.Rows(weight.Dims, plan.ChannelAxes) : ScaleShape.Broadcast(weight.Dims, plan.ChannelAxes);
        if (plan.Product is { } product) scale = product.Repeats(plan.Layout.ScaleCount) ? [plan.Layout.ScaleCount, 1] : [product.Rows, product.Count];
        total += OfScales(plan, scale, nodes);
        return plan.Form switch
        {
            WeightForm.Dequantized => total + OfConstant(DataType.Int8, [plan.Layout.Channels], name, nodes)
                + OfNode("DequantizeLinear", [CodesNameByteLength(plan), name, name, name], NodeAttribute.Of("axis", 1)),
            WeightForm.ProductBlocks => total + OfProduct(plan, nodes),
            WeightForm.GatheredRows => total + (OfArithmetic(plan, scale, nodes) * 2),
            _ => total + OfArithmetic(plan, scale, nodes),
        };
    }

    /// <summary>A constant as an initializer or a <c>Constant</c> node.</summary>
    public static long OfConstant(DataType type, ReadOnlySpan<long> dims, int nameByteLength, bool asNode) =>
        OfConstant(type, dims, type.ByteLength(Tensor.CountElements(dims)), nameByteLength, asNode);

    private static long OfConstant(DataType type, ReadOnlySpan<long> dims, long data, int nameByteLength, bool asNode)
    {
        if (!asNode) return ProtobufLength.Prefixed(ProtobufLength.Tensor(type, dims, data, nameByteLength));
        const int attributeHeader = 12;
        return OfNode("Constant", [nameByteLength]) + attributeHeader + ProtobufLength.Prefixed(ProtobufLength.Tensor(type, dims, data, 0));
    }

    /// <summary>Everything in a model except some constants: other constants, nodes, declared types.</summary>
    public static long OfAllBut(HashSet<Value> excluded, Model model)
    {
        const int attributeByteLength = 38, graphHeaderByteLength = 24;
        long total = 0;
        foreach (var graph in model.AllGraphs())
        {
            total += graph.Inputs.Concat(graph.Outputs).Sum(OfDeclaration) + (graph.ParentNode is null ? 0 : graphHeaderByteLength + Encoding.UTF8.GetByteCount(graph.Name));
            foreach (var value in graph.Initializers)
                if (!excluded.Contains(value) && value.Initializer is { } tensor) total += OfConstant(tensor.DataType, tensor.Dims, tensor.ByteLength, NameByteLengthOf(value), asNode: false);
            foreach (var node in graph.Nodes)
            {
                if (node.Output() is { } only && excluded.Contains(only)) continue;
                total += OfNode(node);
                foreach (var output in node.Outputs)
                {
                    if (output is null) continue;
                    if (!output.IsGraphOutput) total += OfDeclaration(output);
                    if (node.Is("Constant") && output.TryGetConstant(out var constant)) total += constant.ByteLength + attributeByteLength;
                }
            }
        }

        return total;
    }

    private static long OfDeclaration(Value value) => Declarations.ByteLengthOf(value) is > 0 and var declared ? declared + NameByteLengthOf(value) : 0;

    /// <summary>Length of a name.</summary>
    public static int NameByteLengthOf(Value value) => Encoding.UTF8.GetByteCount(value.Name);

    /// <summary>A node with its names; attributes other than constants are few bytes and estimated.</summary>
    public static long OfNode(Node node)
    {
        const int attributeByteLength = 12;
        var names = node.Inputs.Concat(node.Outputs).Select(v => v is null ? 0 : Encoding.UTF8.GetByteCount(v.Name));
        long attributes = node.Is("Constant") ? 0 : node.Attributes.Count * attributeByteLength;
        return ProtobufLength.Prefixed(ProtobufLength.Node(node.OpType, names, []) + ProtobufLength.Prefixed(Encoding.UTF8.GetByteCount(node.Name)) + attributes);
    }

    /// <summary>Length of the name of the codes.</summary>
    public static int CodesNameByteLength(WeightPlan plan) => plan.Names.IsShortened ? plan.Names.ByteLength : Encoding.UTF8.GetByteCount(WeightNames.OfCodes(plan.Site.Value));

    private static NodeAttribute To => NodeAttribute.Of("to", 1);

    private static long OfBlocks(WeightPlan plan, BlockShape blocks, bool constantNodes)
    {
        int name = plan.Names.ByteLength;
        return OfConstant(DataType.UInt8, blocks.BlockScales, name, constantNodes)
            + OfScales(plan, blocks.ChannelScales, constantNodes)
            + OfConstant(DataType.Int64, [plan.Site.Tensor.Rank], name, constantNodes)
            + OfNode("Cast", [name, name], To)
            + OfNode("Mul", [name, name, name])
            + OfNode("Reshape", [name, name, name])
            + OfArithmetic(plan, [], constantNodes);
    }

    private static long OfProduct(WeightPlan plan, bool constantNodes)
    {
        int name = plan.Names.ByteLength;
        var product = plan.Product!;
        bool repeats = product.Repeats(plan.Layout.ScaleCount);
        long total = plan.Site.Uses.Count * (OfNode("MatMulNBits", [], product.Attributes) + ProtobufLength.Prefixed(RuntimeOperators.Domain.Length) - OfNode("MatMul", []));
        total += plan.Site.Uses.Count(u => u.Node.Is("Gemm") && u.Node.Input(2) is not null) * OfNode("Add", [name, name, name]);
        if (repeats) total += OfConstant(DataType.Int64, [2], name, constantNodes) + OfNode("Expand", [name, name, name]) + RuntimeOperators.DeferringByteLength(name);
        if (!plan.Codes.IsSymmetric) total += OfConstant(DataType.UInt8, [plan.Layout.Channels, 1], name, constantNodes) + (repeats ? OfNode("Expand", [name, name, name]) : 0);
        return plan.Site.Tensor.DataType == DataType.Float ? total : total + (2 * plan.Site.Uses.Count * OfNode("Cast", [name, name], To));
    }

    private static long OfScales(WeightPlan plan, long[] shape, bool constantNodes) => plan.Precision.HasHalfScales
        ? OfJoinedHalves(Tensor.CountElements(shape), plan.Names, plan.Target)
        : OfConstant(DataType.Float, shape, plan.Names.ByteLength, constantNodes);

    /// <summary>A part of the binary16 constants that <see cref="JoinHalfConstants"/> stores as one.</summary>
    public static long OfJoinedHalves(long elementCount, NameStyle names, GraphTarget target) =>
        (elementCount * sizeof(short)) + ProtobufLength.Prefixed(names.ByteLength) + (target.Opset >= JoinHalfConstants.SizesAsInputOpset ? sizeof(long) : 2);

    private static long OfArithmetic(WeightPlan plan, long[] scale, bool constantNodes)
    {
        int name = plan.Names.ByteLength;
        long total = OfNode("Cast", [CodesNameByteLength(plan), name], To) + OfNode("Mul", [name, name, name]);
        if (plan.Precision.IsCurved) total += OfNode("Gather", [name, name, name], NodeAttribute.Of("axis", 0)) + LevelsShareByteLength;
        if (plan.Precision.IsWide) total += OfConstant(DataType.Float, [], name, constantNodes) + OfNode("Cast", [name, name], To) + (2 * OfNode("Mul", [name, name, name]));
        if (!plan.Codes.IsSymmetric) total += OfConstant(DataType.Float, scale, name, constantNodes) + OfNode("Sub", [name, name, name]);
        if (plan.Site.Tensor.DataType != DataType.Float) total += OfNode("Cast", [name, name], To);
        return total;
    }

    private static long OfNode(string opType, int[] names, params NodeAttribute[] attributes) =>
        ProtobufLength.Prefixed(ProtobufLength.Node(opType, names, attributes));
}
