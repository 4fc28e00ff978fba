using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Concatenation and splitting.</summary>
internal static class JoiningRules
{
    public static void Register(RuleTable table)
    {
        // Opset 1 has a default axis of 1; later the axis is required.
        table.Add("Concat", n => Concat(n, 0, 1));
        table.Add("QLinearConcat", n => Concat(n, 2, 3, n.ElementOf(1)), domain: RuleTable.Microsoft);
        table.Add("Split", Split);
    }

    private static void Concat(NodeInference n, int first, int step, DataType? element = null)
    {
        var type = element ?? n.ElementOf(first);
        n.Set(0, type, default(Shape));
        var shapes = new List<Shape>();
        for (int i = first; i < n.Node.Inputs.Count; i += step) shapes.Add(n.RequireShape(i));
        if (shapes.Count == 0 || shapes.Any(s => s.Rank != shapes[0].Rank)) throw n.Refuse("the inputs differ in rank");
        int axis = n.Axis("axis", 1, shapes[0].Rank);
        var dimensions = new Dimension[shapes[0].Rank];
        for (int i = 0; i < dimensions.Length; i++)
        {
            int at = i;
            dimensions[i] = i == axis
                ? shapes.Select(s => (Amount)s[at]).Aggregate(n.Symbols.Add)
                : shapes.Select(s => s[at]).Aggregate((a, b) => a.IsKnown ? a : b.IsKnown ? b : a);
        }

        n.Set(0, type, dimensions);
    }

    private static void Split(NodeInference n)
    {
        int count = n.Node.Outputs.Count;
        for (int i = 0; i < count; i++) n.Set(i, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        int axis = n.Axis("axis", 0, x.Rank);
        var parts = Parts(n, x[axis], count);
        for (int i = 0; i < count; i++)
        {
            Dimension part = i < parts.Count ? parts[i] : default;
            n.Set(i, n.ElementOf(0), x.Dimensions.Select((d, at) => at == axis ? part : d));
        }
    }

    private static List<Amount> Parts(NodeInference n, Dimension size, int count)
    {
        if (n.Attributes.Ints("split") is { } stated) return [.. stated.Select(s => (Amount)s)];
        if (n.HasInput(1)) return n.ContentOf(1)?.Integers.ToList() ?? [];
        // Equal parts; since opset 18 the last one may be smaller.
        var part = n.Symbols.CeilingDivide(size, count);
        var parts = Enumerable.Repeat(part, count - 1).ToList();
        parts.Add(n.Symbols.Subtract(size, n.Symbols.Multiply(part, count - 1)));
        return parts;
    }
}
