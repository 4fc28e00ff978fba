using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Operators that give the same elements another shape, and those that read shapes.</summary>
internal static class ReshapingRules
{
    public static void Register(RuleTable table)
    {
        table.Add("Reshape", n => Reshape(n, n.Attributes.Ints("shape") is { } shape ? [.. shape.Select(s => (Amount)s)] : null), until: 4);
        table.Add("Reshape", n => Reshape(n, null), since: 5);
        table.Add("Flatten", Flatten);
        table.Add("Squeeze", Squeeze);
        table.Add("Unsqueeze", Unsqueeze);
        table.Add("Shape", n => n.Set(0, DataType.Int64, [n.ShapeOf(0) is { } shape ? ShapeRange(n, shape.Rank).Count : default(Dimension)]));
        table.Add("Size", n => n.Set(0, DataType.Int64, Shape.Of()));
    }

    /// <summary>The axes that <c>Shape</c> yields (<c>start</c> and <c>end</c> since opset 15).</summary>
    public static (int Start, int Count) ShapeRange(NodeInference n, int rank)
    {
        long start = n.Attributes.Int("start", 0), end = n.Attributes.Int("end", rank);
        start = Math.Clamp(start < 0 ? start + rank : start, 0, rank);
        end = Math.Clamp(end < 0 ? end + rank : end, 0, rank);
        return ((int)start, (int)Math.Max(0, end - start));
    }

    private static void Reshape(NodeInference n, IReadOnlyList<Amount>? stated)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        if (stated is null && n.ContentOf(1) is null && n.ShapeOf(1) is { Rank: 1 } target && target[0].Size is { } rank and <= 64)
        {
            n.Set(0, n.ElementOf(0), new Dimension[rank]);
            return;
        }

        var wanted = stated ?? [.. n.RequireContent(1).Integers];
        var input = n.ShapeOf(0);
        bool zeroCopies = n.Attributes.Int("allowzero", 0) == 0;
        var dimensions = new Dimension[wanted.Count];
        int open = -1;
        for (int i = 0; i < dimensions.Length; i++)
        {
            if (wanted[i].Size == -1) open = i;
            else dimensions[i] = wanted[i].Size == 0 && zeroCopies ? (input is not null && i < input.Rank ? input[i] : default) : wanted[i];
        }

        // One unknown entry beside known ones: it may itself be the -1, so nothing can be computed from the others.
        bool isCertain = wanted.All(w => w.IsKnown || w.Symbol is not null);
        if (open >= 0 && input is not null && isCertain) dimensions[open] = Rest(n, input, [.. dimensions.Where((_, i) => i != open)]);
        else if (open < 0 && wanted.Count(w => !w.IsKnown && w.Symbol is null) == 1 && input is not null)
        {
            int unknown = wanted.ToList().FindIndex(w => !w.IsKnown && w.Symbol is null);
            dimensions[unknown] = Rest(n, input, [.. dimensions.Where((_, i) => i != unknown)]);
        }

        n.Set(0, n.ElementOf(0), dimensions);
    }

    /// <summary>The size that makes the element counts equal.</summary>
    private static Dimension Rest(NodeInference n, Shape input, List<Dimension> others)
    {
        var left = input.Dimensions.ToList();
        // Cancelling equal factors first also works where one of them is a formula that has no quotient.
        for (int i = others.Count - 1; i >= 0; i--)
        {
            int at = left.FindIndex(d => d.Size == others[i].Size && d.Symbol == others[i].Symbol && (d.Symbol is not null || d.Size > 0));
            if (at < 0) continue;
            left.RemoveAt(at);
            others.RemoveAt(i);
        }

        var total = n.Symbols.Product(left);
        var known = n.Symbols.Product(others);
        var exact = n.Symbols.DivideExactly(total, known);
        return exact.IsKnown || exact.Symbol is not null ? exact : n.Symbols.FloorDivide(total, known);
    }

    private static void Flatten(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        n.Set(0, n.ElementOf(0), new Dimension[2]);
        var x = n.RequireShape(0);
        long axis = n.Attributes.Int("axis", 1);
        if (axis < 0) axis += x.Rank;
        if (axis < 0 || axis > x.Rank) throw n.Refuse($"axis {axis} is outside rank {x.Rank}");
        n.Set(0, n.ElementOf(0), [n.Symbols.Product(x.Dimensions.Take((int)axis)), n.Symbols.Product(x.Dimensions.Skip((int)axis))]);
    }

    private static void Squeeze(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        if (n.IntsOf("axes", 1) is { } axes)
        {
            var removed = axes.Select(a => n.Normalize(a, x.Rank)).ToHashSet();
            n.Set(0, n.ElementOf(0), x.Dimensions.Where((_, i) => !removed.Contains(i)));
        }
        else if (x.Dimensions.All(d => d.IsKnown))
        {
            n.Set(0, n.ElementOf(0), x.Dimensions.Where(d => d.Size != 1));
        }
        else
        {
            throw n.Refuse("which axes have size 1 depends on the input");
        }
    }

    private static void Unsqueeze(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        var axes = n.IntsOf("axes", 1) ?? throw n.Refuse("axes are missing");
        int rank = x.Rank + axes.Length;
        var added = axes.Select(a => n.Normalize(a, rank)).ToHashSet();
        if (added.Count != axes.Length) throw n.Refuse("an axis is given twice");
        int next = 0;
        n.Set(0, n.ElementOf(0), [.. Enumerable.Range(0, rank).Select(i => added.Contains(i) ? (Dimension)1 : x[next++])]);
    }
}
