using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Operators whose result size depends on data or on a count.</summary>
internal static class SelectionRules
{
    public static void Register(RuleTable table)
    {
        table.Add("NonZero", n => n.Set(0, DataType.Int64, [n.ShapeOf(0) is { } x ? Math.Max(1, x.Rank) : default(Dimension), default]));
        table.Add("Compress", Compress);
        table.Add("Unique", Unique);
        table.Add("TopK", TopK);
        table.Add("NonMaxSuppression", n => n.Set(0, DataType.Int64, [default, 3]));
    }

    private static void Compress(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        if (!n.Attributes.Has("axis"))
        {
            n.Set(0, n.ElementOf(0), new Dimension[1]);
            return;
        }

        var x = n.RequireShape(0, 1);
        int axis = n.Axis("axis", 0, x.Rank);
        n.Set(0, n.ElementOf(0), x.Dimensions.Select((d, i) => i == axis ? default : d));
    }

    private static void Unique(NodeInference n)
    {
        for (int i = 1; i < 4; i++) n.Set(i, DataType.Int64, new Dimension[1]);
        n.Set(0, n.ElementOf(0), default(Shape));
        Dimension[] shape = [default];
        if (n.Attributes.Has("axis"))
        {
            var x = n.RequireShape(0, 1);
            int axis = n.Axis("axis", 0, x.Rank);
            shape = [.. x.Dimensions.Select((d, i) => i == axis ? default : d)];
            n.Set(2, DataType.Int64, [x[axis]]);
        }
        else if (n.ShapeOf(0) is { } x)
        {
            n.Set(2, DataType.Int64, [n.Symbols.Product(x.Dimensions)]);
        }

        n.Set(0, n.ElementOf(0), shape);
    }

    private static void TopK(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        n.Set(1, DataType.Int64, default(Shape));
        var x = n.RequireShape(0, 1);
        int axis = n.Axis("axis", -1, x.Rank);
        var count = n.Attributes.Has("k") ? n.Attributes.Int("k", 0) : n.ContentOf(1)?.Elements.FirstOrDefault().Integer ?? default;
        var first = n.Fresh(0, axis);
        var dimensions = x.Dimensions.Select((d, i) => i != axis ? d : count.IsKnown || count.Symbol is not null ? count : first).ToArray();
        n.Set(0, n.ElementOf(0), dimensions);
        n.Set(1, DataType.Int64, dimensions);
    }
}
