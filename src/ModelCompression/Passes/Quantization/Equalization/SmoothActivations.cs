using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Simplification;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Equalization;

/// <summary>
/// Moves the size of outlying activation channels into the weights of the matrix products that take them: <c>Equalization=SmoothQuant</c>. The model computes the
/// same function; activations lose less when they share one scale.
/// </summary>
/// <remarks>
/// X·W = (X / s)·(s·W) with s_j = max|X_j|^α / max|W_j|^(1 − α), α = 0.5, over all products that take X (Xiao et al., "SmoothQuant", ICML 2023). The division is folded
/// into gamma and beta of the normalization that computes X where nothing else takes X; otherwise one multiplication is added for these products.
/// </remarks>
/// <param name="statistics">Calibration data.</param>
public sealed class SmoothActivations(IStatisticsSource statistics) : ModelPass
{
    /// <summary>Exponent of the activations; 0.5 shares the difficulty evenly between activations and weights.</summary>
    private const double Alpha = 0.5;

    private const double SmallestFactor = 1e-5;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var scope = GraphScope.Of(model).First();
        var groups = FindGroups(scope, settings, log);
        var plan = new StatisticsPlan();
        foreach (var group in groups) group.Statistic = plan.Need(group.Activation, ChannelStatistic.Key(-1), () => new ChannelStatistic(-1));
        statistics.Collect(model, plan);
        int smoothed = groups.Count(group => Smooth(group, scope, log));
        if (smoothed == 0) log.Report(EqualizationNotes.NothingChanged(Options.Equalization.SmoothQuant, "no MatMul or Gemm with constant weights in scope takes the output of a normalization", log.Edits.Where(e => e.Pass == Name)));
    }

    private List<SmoothedProducts> FindGroups(GraphScope scope, CompressionSettings settings, PassLog log)
    {
        var groups = new Dictionary<Value, SmoothedProducts>(ReferenceEqualityComparer.Instance);
        var found = new List<SmoothedProducts>();
        foreach (var node in scope.Graph.Nodes)
        {
            if (settings.For(node).Equalization != Options.Equalization.SmoothQuant || settings.ReasonToSkip(node) is not null || !(node.Is("MatMul") || node.Is("Gemm"))) continue;
            if (WhyNot(node, scope, out var layer, out var tail) is { } reason)
            {
                log.Refused(Name, node.DisplayName, $"not smoothed: {reason}");
                continue;
            }

            var activation = node.Input(0)!;
            if (!groups.TryGetValue(activation, out var group))
            {
                groups.Add(activation, group = new(activation, tail));
                found.Add(group);
            }

            group.Layers.Add(layer!);
        }

        return found;
    }

    private static string? WhyNot(Node node, GraphScope scope, out ScalableLayer? layer, out IReadOnlyList<Use> tail)
    {
        tail = [];
        if (!ScalableLayer.TryFrom(node, scope, out layer, out string? reason)) return reason ?? "its weights are not constant";
        if (node.GetInt("transA", 0) != 0) return "its channels lie along another axis";
        var activation = node.Input(0)!;
        tail = NormalizationTail.Of(activation, layer.InputChannels, scope);
        return tail.Count == 0 ? "its input is not the output of a normalization" : null;
    }

    private bool Smooth(SmoothedProducts group, GraphScope scope, PassLog log)
    {
        if (group.WhyUnusable is { } reason)
        {
            foreach (var layer in group.Layers) log.Refused(Name, layer.Node.DisplayName, $"not smoothed: {reason}");
            return false;
        }

        var record = statistics.Record ?? new MeasurementRecord();
        float[] measured = record.Numbers($"smoothing of {group.Activation.Name}", group.Layers[0].InputChannels, () => Array.ConvertAll(Factors(group), f => (float)f))!;
        double[] factors = Array.ConvertAll(measured, f => (double)f);
        string form = "folded into the normalization";
        if (group.TakesAllUses) foreach (var constant in group.Tail) PerChannelConstant.Divide(constant, factors, scope);
        else
        {
            form = "by a multiplication, since other nodes take the activation as it is";
            InsertMultiplication(group, factors, scope);
        }

        foreach (var layer in group.Layers)
        {
            for (int c = 0; c < factors.Length; c++) layer.InputFactors[c] *= factors[c];
            PerChannelConstant.Exchange(new(layer.Node, 1), layer.Scaled(), scope);
            log.Applied(Name, layer.Node.DisplayName, FormattableString.Invariant($"activations divided by {factors.Min():G3} to {factors.Max():G3}, {form}"));
        }

        return true;
    }

    private static double[] Factors(SmoothedProducts group)
    {
        double[] factors = new double[group.Layers[0].InputChannels];
        foreach (var layer in group.Layers)
        {
            double[] ranges = layer.InputRanges();
            for (int c = 0; c < factors.Length; c++) factors[c] = Math.Max(factors[c], ranges[c]);
        }

        for (int c = 0; c < factors.Length; c++)
        {
            double activation = group.Statistic!.AbsMax(c), weight = factors[c];
            bool isDead = activation <= 0 || weight <= 0 || !double.IsFinite(weight);
            factors[c] = isDead ? 1 : Math.Max(SmallestFactor, Math.Pow(activation, Alpha) / Math.Pow(weight, 1 - Alpha));
        }

        return factors;
    }

    private static void InsertMultiplication(SmoothedProducts group, double[] factors, GraphScope scope)
    {
        var first = group.Layers[0].Node;
        var reciprocals = Tensor.Float([factors.Length], Array.ConvertAll(factors, f => (float)(1 / f)));
        var constant = ConstantStorage.Add(scope, group.Activation.Name + "_smoother", reciprocals, first);
        var smooth = scope.Graph.InsertBefore(first, "Mul", [group.Activation, constant], group.Activation.Name + "_smooth");
        foreach (var layer in group.Layers) layer.Node.SetInput(0, smooth);
    }

    /// <summary>The matrix products that take one activation.</summary>
    /// <param name="activation">The activation.</param>
    /// <param name="tail">Constants that scale it.</param>
    private sealed class SmoothedProducts(Value activation, IReadOnlyList<Use> tail)
    {
        public Value Activation => activation;

        public IReadOnlyList<Use> Tail => tail;

        public List<ScalableLayer> Layers { get; } = [];

        public ChannelStatistic? Statistic { get; set; }

        /// <summary>True if nothing but these products takes the activation.</summary>
        public bool TakesAllUses => !activation.IsGraphOutput && !activation.IsReferencedByName && activation.Uses.All(u => Layers.Exists(l => l.Node == u.Node && u.Index == 0));

        public string? WhyUnusable
        {
            get
            {
                if (Statistic is not { SampleCount: > 0, IsConsistent: true }) return "its activations cannot be observed";
                if (!Statistic.AllFinite) return "calibration data makes its activations NaN or infinite";
                return Statistic.Channels == Layers[0].InputChannels ? null : "its activations have other channels than its weights";
            }
        }
    }
}
