using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients.Rules;

/// <summary>Reductions: ∂y is repeated along the reduced axes, times the derivative of the sum, mean, norm….</summary>
internal static class ReductionRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        Add(rules, "ReduceSum", 13, (r, dy) => r.Node.Emit.Expand(dy, r.X));
        Add(rules, "ReduceMean", 18, (r, dy) => r.Node.Emit.Expand(r.Node.Emit.Mul(dy, 1f / r.Count), r.X));
        Add(rules, "ReduceMax", 18, (r, dy) => ExtremumShare(r.Node.Emit, r.Node.X(), r.Y, dy, r.Axes));
        Add(rules, "ReduceMin", 18, (r, dy) => ExtremumShare(r.Node.Emit, r.Node.X(), r.Y, dy, r.Axes));
        Add(rules, "ReduceL1", 18, (r, dy) => r.Node.Emit.Mul(dy, r.Node.Emit.Sign(r.Node.X())));
        Add(rules, "ReduceL2", 18, (r, dy) => r.Node.Emit.Mul(r.Node.X(), r.Node.Emit.Div(dy, r.Y)));
        Add(rules, "ReduceSumSquare", 18, (r, dy) => r.Node.Emit.Mul(dy, r.Node.Emit.Mul(r.Node.X(), 2)));
        Add(rules, "ReduceLogSum", 18, (r, dy) => r.Node.Emit.Expand(r.Node.Emit.Div(dy, r.Node.Emit.Op("Exp", [r.Y])), r.X));
        Add(rules, "ReduceLogSumExp", 18, (r, dy) => r.Node.Emit.Mul(dy, r.Node.Emit.Op("Exp", [r.Node.Emit.Sub(r.Node.X(), r.Y)])));
        Add(rules, "ReduceProd", 18, (r, dy) => r.Node.Emit.Div(r.Node.Emit.Mul(dy, r.Y), r.Node.X()));
    }

    /// <summary>∂y to the elements equal to the extremum, in equal shares.</summary>
    internal static Value ExtremumShare(GradientEmitter emit, Value x, Value y, Value dy, int[] axes)
    {
        var mask = emit.Mask(emit.Op("Equal", [x, y]));
        return emit.Mul(mask, emit.Div(dy, emit.ReduceSum(mask, axes)));
    }

    private static void Add(Dictionary<string, Action<NodeGradient>> rules, string opType, long axesInputSince, Func<Reduction, Value, Value> gradient) => rules[opType] = n =>
    {
        long[] x = n.Dims(n.X());
        int[]? axes = n.Axes(1, axesInputSince, x.Length);
        if (axes is not { Length: > 0 })
        {
            if (n.Attributes.Int("noop_with_empty_axes", 0) != 0)
            {
                if (opType is not ("ReduceSum" or "ReduceMean" or "ReduceMax" or "ReduceMin" or "ReduceProd")) throw n.Refuse("it reduces no axis");
                n.Give(0, n.DY);
                return;
            }

            axes = [.. Enumerable.Range(0, x.Length)];
        }

        long[] kept = [.. x.Select((d, i) => axes.Contains(i) ? 1 : d)];
        var y = n.Emit.Reshape(n.Y(), kept);
        n.Give(0, gradient(new Reduction(n, x, axes, y), n.Emit.Reshape(n.DY, kept)));
    };

    /// <summary>A reduction with the reduced axes kept at size 1.</summary>
    private sealed record Reduction(NodeGradient Node, long[] X, int[] Axes, Value Y)
    {
        public float Count => Axes.Aggregate(1L, (p, a) => p * X[a]);
    }
}
