using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients.Rules;

/// <summary>Softmax and LogSoftmax.</summary>
/// <remarks>Softmax: ∂x = y·(∂y − Σ ∂y·y). LogSoftmax: ∂x = ∂y − eʸ·Σ ∂y. Sums over the normalized axes: one from operator set 13 on, before all from the axis to the end.</remarks>
internal static class SoftmaxRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        ArithmeticRules.Unary(rules, "Softmax", (n, dy) => n.Emit.Mul(n.Y(), n.Emit.Sub(dy, n.Emit.ReduceSum(n.Emit.Mul(dy, n.Y()), Axes(n.Node, n.Emit.Opset, n.Dims(n.Y()).Length)))));
        ArithmeticRules.Unary(rules, "LogSoftmax", (n, dy) => n.Emit.Sub(dy, n.Emit.Mul(n.Emit.Op("Exp", [n.Y()]), n.Emit.ReduceSum(dy, Axes(n.Node, n.Emit.Opset, n.Dims(n.Y()).Length)))));
    }

    /// <summary>The axes over which the outputs (of LogSoftmax: their exponentials) sum to one.</summary>
    public static int[] Axes(Node node, long opset, int rank)
    {
        long axis = node.GetInt("axis", opset >= 13 ? -1 : 1);
        int first = (int)(axis < 0 ? axis + rank : axis);
        return opset >= 13 ? [first] : [.. Enumerable.Range(first, rank - first)];
    }
}
