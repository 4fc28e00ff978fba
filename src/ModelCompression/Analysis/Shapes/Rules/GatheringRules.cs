using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Operators that read or write elements at indices.</summary>
internal static class GatheringRules
{
    public static void Register(RuleTable table)
    {
        table.Add("Gather", n => Gather(n, n.ElementOf(0)));
        table.Add("GatherElements", n => n.Set(0, n.ElementOf(0), n.ShapeOf(1)));
        table.Add("GatherND", GatherNd);
        table.Add("GatherND", GatherNd, domain: RuleTable.Microsoft);
        table.Add(["Scatter", "ScatterElements", "ScatterND", "TensorScatter"], n => n.Set(0, n.TypeOf(0)));
        table.Add("OneHot", OneHot);
        table.Add("GatherBlockQuantized", GatherBlocks, domain: RuleTable.Microsoft);
    }

    private static void Gather(NodeInference n, DataType element)
    {
        n.Set(0, element, default(Shape));
        var data = n.RequireShape(0, 1);
        var indices = n.RequireShape(1);
        int axis = n.Axis("axis", 0, data.Rank);
        n.Set(0, element, [.. data.Dimensions.Take(axis), .. indices.Dimensions, .. data.Dimensions.Skip(axis + 1)]);
    }

    private static void GatherNd(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var data = n.RequireShape(0, 1);
        var indices = n.RequireShape(1, 1);
        long batch = n.Attributes.Int("batch_dims", 0);
        if (indices[-1].Size is not { } depth) throw n.Refuse("the last dimension of the indices is not known");
        if (depth + batch > data.Rank) throw n.Refuse("the indices are deeper than the data");
        n.Set(0, n.ElementOf(0), [.. indices.Dimensions.SkipLast(1), .. data.Dimensions.Skip((int)(depth + batch))]);
    }

    private static void OneHot(NodeInference n)
    {
        n.Set(0, n.ElementOf(2), default(Shape));
        var indices = n.RequireShape(0);
        int axis = n.Axis("axis", -1, indices.Rank + 1);
        var depth = n.ContentOf(1)?.Elements.FirstOrDefault().Integer ?? default;
        n.Set(0, n.ElementOf(2), [.. indices.Dimensions.Take(axis), depth, .. indices.Dimensions.Skip(axis)]);
    }

    private static void GatherBlocks(NodeInference n)
    {
        var element = n.ElementOf(2);
        n.Set(0, element, default(Shape));
        var data = n.RequireShape(0, 1);
        var indices = n.RequireShape(1);
        int axis = n.Axis("gather_axis", 0, data.Rank);
        // Packed in bytes, the last axis holds several codes per element.
        long perByte = n.ElementOf(0) == DataType.UInt8 ? 8 / n.Attributes.Int("bits", 4) : 1;
        var full = data.Dimensions.Select(Dimension (d, i) => i == data.Rank - 1 ? n.Symbols.Multiply(d, perByte) : d).ToArray();
        n.Set(0, element, [.. full.Take(axis), .. indices.Dimensions, .. full.Skip(axis + 1)]);
    }
}
