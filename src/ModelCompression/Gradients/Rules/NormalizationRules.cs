using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients.Rules;

/// <summary>BatchNormalization as it runs in inference, LayerNormalization and InstanceNormalization.</summary>
/// <remarks>
/// With x̂ = (x − μ)·r, r = 1/√(σ² + ε), y = γx̂ + β: ∂γ = Σ ∂y·x̂, ∂β = Σ ∂y. Fixed statistics: ∂x = ∂y·γ·r. Statistics of x itself, with g = ∂y·γ and means
/// over the normalized axes: ∂x = r·(g − mean(g) − x̂·mean(g·x̂)).
/// </remarks>
internal static class NormalizationRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        rules["BatchNormalization"] = BatchNormalization;
        rules["LayerNormalization"] = LayerNormalization;
        rules["InstanceNormalization"] = InstanceNormalization;
    }

    private static void BatchNormalization(NodeGradient n)
    {
        if (n.Attributes.Int("training_mode", 0) != 0) throw n.Refuse("it is in training mode");
        var emit = n.Emit;
        long[] x = n.Dims(n.X());
        long channels = x.Length > 1 ? x[1] : 1;
        long[] perChannel = [channels, .. Enumerable.Repeat(1L, Math.Max(0, x.Length - 2))];
        int[] others = [.. Enumerable.Range(0, x.Length).Where(i => i != 1)];
        var r = emit.Op("Reciprocal", [emit.Op("Sqrt", [emit.Add(n.X(4), emit.Scalar(n.Attributes.Float("epsilon", 1e-5f)))])]);
        var slope = emit.Mul(n.X(1), r);
        n.GiveIfNeeded(0, () => emit.Mul(n.DY, emit.Reshape(slope, perChannel)));
        Value Sum(Value v) => emit.Reshape(emit.ReduceSum(v, others), channels);
        if (!Enumerable.Range(1, 4).Any(n.Needs)) return;
        var sum = Sum(n.DY);
        n.GiveIfNeeded(2, () => sum);
        n.GiveIfNeeded(3, () => emit.Op("Neg", [emit.Mul(slope, sum)]));
        if (!n.Needs(1) && !n.Needs(4)) return;
        // Σ ∂y·(x − μ)
        var centred = Sum(emit.Mul(n.DY, emit.Sub(n.X(), emit.Reshape(n.X(3), perChannel))));
        n.GiveIfNeeded(1, () => emit.Mul(centred, r));
        n.GiveIfNeeded(4, () => emit.Mul(emit.Mul(emit.Mul(centred, slope), emit.Square(r)), -0.5f));
    }

    private static void LayerNormalization(NodeGradient n)
    {
        if (n.DYOrNull(1) is not null || n.DYOrNull(2) is not null) throw n.Refuse("its mean or deviation output is used");
        long[] x = n.Dims(n.X());
        int axis = n.Axis("axis", -1, x.Length);
        int[] normalized = [.. Enumerable.Range(axis, x.Length - axis)];
        Normalized(n, x, normalized, n.X(1), n.Node.Input(2) is null ? null : 2);
    }

    private static void InstanceNormalization(NodeGradient n)
    {
        long[] x = n.Dims(n.X());
        int[] normalized = [.. Enumerable.Range(2, x.Length - 2)];
        Normalized(n, x, normalized, n.Emit.Reshape(n.X(1), [x[1], .. Enumerable.Repeat(1L, x.Length - 2)]), 2);
    }

    /// <param name="n">The node.</param>
    /// <param name="x">Sizes of x.</param>
    /// <param name="axes">Axes of the statistics.</param>
    /// <param name="scale">γ, broadcastable to x.</param>
    /// <param name="shiftIndex">Input that is β, or null.</param>
    private static void Normalized(NodeGradient n, long[] x, int[] axes, Value scale, int? shiftIndex)
    {
        var emit = n.Emit;
        float count = axes.Aggregate(1L, (p, a) => p * x[a]);
        Value Mean(Value v) => emit.Mul(emit.ReduceSum(v, axes), 1 / count);
        var centred = emit.Sub(n.X(), Mean(n.X()));
        var r = emit.Op("Reciprocal", [emit.Op("Sqrt", [emit.Add(Mean(emit.Square(centred)), emit.Scalar(n.Attributes.Float("epsilon", 1e-5f)))])]);
        var unit = emit.Mul(centred, r);
        n.GiveIfNeeded(0, () =>
        {
            var g = emit.Mul(n.DY, scale);
            return emit.Mul(r, emit.Sub(emit.Sub(g, Mean(g)), emit.Mul(unit, Mean(emit.Mul(g, unit)))));
        });
        n.GiveIfNeeded(1, () => ParameterGradient(n, emit.Mul(n.DY, unit), x, 1));
        if (shiftIndex is { } shift) n.GiveIfNeeded(shift, () => ParameterGradient(n, n.DY, x, shift));
    }

    /// <summary>Sums over all axes that the parameter does not have; that of InstanceNormalization has the channel axis.</summary>
    private static Value ParameterGradient(NodeGradient n, Value gradient, long[] x, int index)
    {
        long[] dims = n.Dims(n.X(index));
        if (!n.Node.Is("InstanceNormalization")) return n.Emit.SumTo(gradient, x, dims);
        return n.Emit.Reshape(n.Emit.ReduceSum(gradient, [.. Enumerable.Range(0, x.Length).Where(i => i != 1)]), dims);
    }
}
