using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Refitting;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.ByActivation;

/// <summary>Runs a pass that sets weights to zero and updates the weights that stay, so that each layer returns nearly what it returned before (<c>Compensation=LeastSquares</c>).</summary>
/// <remarks>The zeros are those of the inner pass; the update is SparseGPT's, with the inputs each layer has behind its pruned predecessors, biases included.</remarks>
/// <param name="inner">The pass that chooses the zeros.</param>
/// <param name="source">Runs the calibration data.</param>
/// <param name="cancellation">Stops the work.</param>
public sealed class CompensatePruning(ModelPass inner, IStatisticsSource source, CancellationToken cancellation = default) : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var before = WeightCatalog.Of(model).Weights.ToDictionary(w => w.Value, w => w.Tensor);
        inner.Run(model, settings, log);
        var targets = new List<UpdateTarget>();
        var sites = WeightCatalog.Of(model).Weights.Where(s => s.Uses.Count == 1).ToDictionary(s => s.Node, s => s, ReferenceEqualityComparer.Instance);
        foreach (var node in model.Graph.Nodes)
        {
            if (!sites.TryGetValue(node, out var site) || !before.TryGetValue(site.Value, out var original) || ReferenceEquals(original, site.Tensor) || original.DataType != DataType.Float) continue;
            var options = settings.For(node);
            if (options.Compensation == Compensation.None || LinearSite.TryCreate(node) is not { } linear || linear.Weight != site.Value) continue;
            var target = new UpdateTarget(site, linear, original, options, MaskChoice.Given, Updates: true);
            if (target.NeedsGram) targets.Add(target);
        }

        var done = new WeightUpdate(source, cancellation).Run(model, targets);
        for (int i = 0; i < done.Length; i++)
        {
            if (!done[i] || !targets[i].Site.Value.TryGetConstant(out var now)) continue;
            var record = PruningRecord.Of(log, targets[i].Site);
            UpdateRecord.Measure(record, targets[i].Before, now);
            record.AddAction("remaining weights updated");
            log.Applied(Name, targets[i].Site.Node.DisplayName, "remaining weights updated by calibration data");
        }
    }
}
