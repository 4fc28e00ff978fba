using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Passes.Pruning.Refitting;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.ByActivation;

/// <summary>Runs a pass that sets weights to zero and refits the weights that stay, so that each layer returns nearly what it returned before (<c>Compensation=LeastSquares</c>).</summary>
/// <remarks>The zeros are those of the inner pass; the refit is that of <see cref="LeastSquaresRefit"/>, biases included.</remarks>
/// <param name="inner">The pass that chooses the zeros.</param>
/// <param name="source">Runs the calibration data.</param>
/// <param name="cancellation">Stops the work.</param>
public sealed class CompensatePruning(ModelPass inner, IStatisticsSource source, CancellationToken cancellation = default) : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var before = WeightCatalog.Of(model).Weights.ToDictionary(w => w.Value, w => w.Tensor);
        var refit = new LeastSquaresRefit(source, model, cancellation);
        inner.Run(model, settings, log);
        var sites = WeightCatalog.Of(model).Weights.Where(s => s.Uses.Count == 1).ToDictionary(s => s.Value);
        var targets = Targets(model, settings, before, sites);
        foreach (var record in refit.Run(model, targets, ChannelRemoval.None(ShapeInference.Run(model))))
        {
            var layer = PruningRecord.Of(log, sites[record.Weight]);
            if (record.Weight.TryGetConstant(out var now)) UpdateRecord.Measure(layer, before[record.Weight], now);
            layer.AddAction(UpdateRecord.Describe(record)[2..]);
            log.Applied(Name, sites[record.Weight].Node.DisplayName, UpdateRecord.Describe(record)[2..]);
        }
    }

    /// <summary>In graph order the operators whose weights the inner pass has changed.</summary>
    private static List<RefitTarget> Targets(Model model, CompressionSettings settings, Dictionary<Value, Tensor> before, Dictionary<Value, WeightSite> sites)
    {
        var targets = new List<RefitTarget>();
        foreach (var node in model.Graph.Nodes)
        {
            if (settings.For(node).Compensation == Compensation.None || LinearSite.TryCreate(node) is not { } linear || !sites.TryGetValue(linear.Weight, out var site)) continue;
            if (!before.TryGetValue(site.Value, out var original) || ReferenceEquals(original, site.Tensor)) continue;
            var target = new RefitTarget(linear, ElementChoices.Given(original));
            if (target.IsAffordable) targets.Add(target);
        }

        return targets;
    }
}
