using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Reductions along axes.</summary>
internal static class ReductionRules
{
    private static readonly string[] Reductions =
        ["ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"];

    public static void Register(RuleTable table)
    {
        table.Add(Reductions, Reduce);
        table.Add("ReduceSumInteger", Reduce, domain: RuleTable.Microsoft);
        table.Add(["ArgMax", "ArgMin"], n =>
        {
            n.Set(0, DataType.Int64, default(Shape));
            var x = n.RequireShape(0, 1);
            Set(n, x, DataType.Int64, [n.Axis("axis", 0, x.Rank)]);
        });
    }

    private static void Reduce(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0);
        // Axes given but not known still leave the rank when the axes stay.
        bool isDynamic = n.HasInput(1) && n.Attributes.Ints("axes") is null && n.ContentOf(1)?.KnownIntegers is null;
        if (isDynamic && n.Attributes.Int("keepdims", 1) != 0)
        {
            n.Set(0, n.ElementOf(0), new Dimension[x.Rank]);
            return;
        }

        long[]? axes = n.IntsOf("axes", 1);
        if (axes is not { Length: > 0 })
        {
            if (n.Attributes.Int("noop_with_empty_axes", 0) != 0)
            {
                n.Set(0, n.ElementOf(0), x);
                return;
            }

            axes = [.. Enumerable.Range(0, x.Rank).Select(i => (long)i)];
        }

        Set(n, x, n.ElementOf(0), [.. axes.Select(a => n.Normalize(a, x.Rank))]);
    }

    private static void Set(NodeInference n, Shape x, DataType element, HashSet<int> axes)
    {
        bool keeps = n.Attributes.Int("keepdims", 1) != 0;
        n.Set(0, element, keeps
            ? x.Dimensions.Select((d, i) => axes.Contains(i) ? (Dimension)1 : d)
            : x.Dimensions.Where((_, i) => !axes.Contains(i)));
    }
}
