using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients.Rules;

/// <summary>BatchNormalization as it runs in inference, and the normalizations by mean and deviation, or root mean square, of the values themselves.</summary>
/// <remarks>
/// With x̂ = (x − μ)·r, r = 1/√(σ² + ε), y = γx̂ + β: ∂γ = Σ ∂y·x̂, ∂β = Σ ∂y. Fixed statistics: ∂x = ∂y·γ·r. Statistics of x itself, with g = ∂y·γ and means
/// over the normalized axes: ∂x = r·(g − mean(g) − x̂·mean(g·x̂)); by root mean square μ and mean(g) are left out.
/// </remarks>
internal static class NormalizationRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        rules["BatchNormalization"] = BatchNormalization;
        rules["LayerNormalization"] = LayerNormalization;
        rules["InstanceNormalization"] = InstanceNormalization;
        rules["GroupNormalization"] = GroupNormalization;
        rules["MeanVarianceNormalization"] = MeanVarianceNormalization;
        rules["com.microsoft.SkipLayerNormalization"] = SkipLayerNormalization;
        rules["RMSNormalization"] = RootMeanSquare;
        rules["SimplifiedLayerNormalization"] = RootMeanSquare;
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
        var unit = Normalized(n, x, AxesBehind(n, x), n.X(1), n.Node.Input(2) is null ? null : 2);
        // ONNX Runtime's own operator takes several times as long as these.
        var scaled = n.Emit.Mul(unit, n.X(1));
        n.RewriteOutput(n.Node.Input(2) is { } shift ? n.Emit.Add(scaled, shift) : scaled);
    }

    private static void InstanceNormalization(NodeGradient n)
    {
        long[] x = n.Dims(n.X());
        int[] normalized = [.. Enumerable.Range(2, x.Length - 2)];
        Normalized(n, x, normalized, n.Emit.Reshape(n.X(1), [x[1], .. Enumerable.Repeat(1L, x.Length - 2)]), 2);
    }

    /// <summary>Statistics over the channels of a group; scale and shift per group in operator sets below 21, per channel from there on.</summary>
    private static void GroupNormalization(NodeGradient n)
    {
        var emit = n.Emit;
        long[] x = n.Dims(n.X());
        long groups = n.Attributes.Int("num_groups", 1);
        long[] grouped = [x[0], groups, x[1] / groups, .. x[2..]];
        bool isPerGroup = emit.Opset < 21;
        long[] perParameter = [.. isPerGroup ? new[] { groups, 1 } : [groups, x[1] / groups], .. x[2..].Select(_ => 1L)];
        int[] others = [.. Enumerable.Range(0, grouped.Length).Where(a => a != 1 && (a != 2 || isPerGroup))];
        var statistics = new Statistics(emit, emit.Reshape(n.X(), grouped), [.. Enumerable.Range(2, grouped.Length - 2)], grouped, n.Attributes.Float("epsilon", 1e-5f));
        var dy = emit.Reshape(n.DY, grouped);
        n.GiveIfNeeded(0, () => emit.Reshape(statistics.InputGradient(emit.Mul(dy, emit.Reshape(n.X(1), perParameter))), x));
        Value Parameter(Value gradient, int index) => emit.Reshape(emit.ReduceSum(gradient, others), n.Dims(n.X(index)));
        n.GiveIfNeeded(1, () => Parameter(emit.Mul(dy, statistics.Unit), 1));
        n.GiveIfNeeded(2, () => Parameter(dy, 2));
    }

    private static void MeanVarianceNormalization(NodeGradient n)
    {
        long[] x = n.Dims(n.X());
        int[] axes = [.. (n.Attributes.Ints("axes") ?? [0L, 2, 3]).Select(a => (int)(a < 0 ? a + x.Length : a))];
        n.GiveIfNeeded(0, () => new Statistics(n.Emit, n.X(), axes, x, 1e-18f).InputGradient(n.DY));
    }

    /// <summary>LayerNormalization of input + skip + bias; the sum may be an output, too.</summary>
    private static void SkipLayerNormalization(NodeGradient n)
    {
        if (n.DYOrNull(1) is not null || n.DYOrNull(2) is not null) throw n.Refuse("its mean or deviation output is used");
        var emit = n.Emit;
        long[] x = n.Dims(n.X());
        var bias = n.Node.Input(4);
        var sum = emit.Add(n.X(0), n.X(1));
        if (bias is not null) sum = emit.Add(sum, bias);
        var statistics = new Statistics(emit, sum, [x.Length - 1], x, n.Attributes.Float("epsilon", 1e-5f));
        var gradient = n.DYOrNull(0) is { } dy ? statistics.InputGradient(emit.Mul(dy, n.X(2))) : null;
        if (n.DYOrNull(3) is { } direct) gradient = gradient is null ? direct : emit.Add(gradient, direct);
        foreach (int index in new[] { 0, 1, 4 })
            if (n.Node.Input(index) is not null) n.GiveIfNeeded(index, () => emit.SumTo(gradient!, x, n.Dims(n.X(index))));
        n.GiveIfNeeded(2, () => ParameterGradient(n, emit.Mul(n.DY, statistics.Unit), x, 2));
        if (n.Node.Input(3) is not null) n.GiveIfNeeded(3, () => ParameterGradient(n, n.DY, x, 3));
    }

    private static void RootMeanSquare(NodeGradient n)
    {
        if (n.DYOrNull(1) is not null) throw n.Refuse("its deviation output is used");
        long[] x = n.Dims(n.X());
        Normalized(n, x, AxesBehind(n, x), n.X(1), null, isCentred: false);
    }

    /// <summary>All axes from the one that the attribute names.</summary>
    private static int[] AxesBehind(NodeGradient n, long[] x)
    {
        int axis = n.Axis("axis", -1, x.Length);
        return [.. Enumerable.Range(axis, x.Length - axis)];
    }

    /// <param name="n">The node.</param>
    /// <param name="x">Sizes of x.</param>
    /// <param name="axes">Axes of the statistics.</param>
    /// <param name="scale">γ, broadcastable to x.</param>
    /// <param name="shiftIndex">Input that is β, or null.</param>
    /// <param name="isCentred">False for the root mean square instead of mean and deviation.</param>
    /// <returns>x̂.</returns>
    private static Value Normalized(NodeGradient n, long[] x, int[] axes, Value scale, int? shiftIndex, bool isCentred = true)
    {
        var statistics = new Statistics(n.Emit, n.X(), axes, x, n.Attributes.Float("epsilon", 1e-5f), isCentred);
        n.GiveIfNeeded(0, () => statistics.InputGradient(n.Emit.Mul(n.DY, scale)));
        n.GiveIfNeeded(1, () => ParameterGradient(n, n.Emit.Mul(n.DY, statistics.Unit), x, 1));
        if (shiftIndex is { } shift) n.GiveIfNeeded(shift, () => ParameterGradient(n, n.DY, x, shift));
        return statistics.Unit;
    }

    /// <summary>Sums over all axes that the parameter does not have; that of InstanceNormalization has the channel axis.</summary>
    private static Value ParameterGradient(NodeGradient n, Value gradient, long[] x, int index)
    {
        long[] dims = n.Dims(n.X(index));
        if (!n.Node.Is("InstanceNormalization")) return n.Emit.SumTo(gradient, x, dims);
        return n.Emit.Reshape(n.Emit.ReduceSum(gradient, [.. Enumerable.Range(0, x.Length).Where(i => i != 1)]), dims);
    }

    /// <summary>Values less their mean, divided by their deviation over some axes; or divided by their root mean square.</summary>
    private sealed class Statistics
    {
        private readonly GradientEmitter emit;
        private readonly int[] axes;
        private readonly float count;
        private readonly bool isCentred;
        private readonly Value r;

        /// <param name="emit">Adds nodes.</param>
        /// <param name="x">The values.</param>
        /// <param name="axes">Axes of mean and deviation.</param>
        /// <param name="dims">Sizes of the values.</param>
        /// <param name="epsilon">Added to the variance, or to the mean square.</param>
        /// <param name="isCentred">False to leave the mean where it is.</param>
        public Statistics(GradientEmitter emit, Value x, int[] axes, long[] dims, float epsilon, bool isCentred = true)
        {
            this.emit = emit;
            this.axes = axes;
            this.isCentred = isCentred;
            count = axes.Aggregate(1L, (p, a) => p * dims[a]);
            var centred = isCentred ? emit.Sub(x, Mean(x)) : x;
            r = emit.Op("Reciprocal", [emit.Op("Sqrt", [emit.Add(Mean(emit.Square(centred)), emit.Scalar(epsilon))])]);
            Unit = emit.Mul(centred, r);
        }

        /// <summary>x̂.</summary>
        public Value Unit { get; }

        /// <summary>∂x for g = ∂x̂.</summary>
        public Value InputGradient(Value g) => emit.Mul(r, emit.Sub(isCentred ? emit.Sub(g, Mean(g)) : g, emit.Mul(Unit, Mean(emit.Mul(g, Unit)))));

        private Value Mean(Value v) => emit.Mul(emit.ReduceSum(v, axes), 1 / count);
    }
}
