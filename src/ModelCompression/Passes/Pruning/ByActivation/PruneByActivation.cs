using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Passes.Pruning.Refitting;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.ByActivation;

/// <summary>Sets single weights to zero by what the calibration data says of their inputs: <c>Wanda</c> or <c>SparseGpt</c>, any share or N of every M.</summary>
/// <remarks>
/// <para><c>Wanda</c> removes the lowest |w|·‖x‖₂ of each output row (Sun et al., ICLR 2024).</para>
/// <para><c>SparseGpt</c> walks through the columns; in every block of 128 those weights go whose removal costs least, w²/[H⁻¹]ᵢᵢ of the updated weights, and the columns behind make up
/// for them (Frantar, Alistarh, ICML 2023). The share is that of every layer.</para>
/// <para>Unless <c>Compensation=None</c>, the weights that stay are then refitted to the outputs of the original (<see cref="LeastSquaresRefit"/>). Layers are treated in graph order, each
/// with the inputs it has behind its pruned predecessors. A weight whose inputs cannot be observed (recurrent cells, subgraphs, shared or very wide weights) is ranked by |w| within its layer instead, which
/// the report says.</para>
/// </remarks>
/// <param name="source">Runs the calibration data.</param>
/// <param name="cancellation">Stops the work.</param>
public sealed class PruneByActivation(IStatisticsSource source, CancellationToken cancellation = default) : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var targets = new[] { PruningCriterion.Wanda, PruningCriterion.SparseGpt }
            .SelectMany(criterion => PrunableWeights.Select(model, settings, criterion, log, Name)).Where(t => t.Options.PruningPattern.Kind != PruningPatternKind.Channel).ToList();
        if (targets.Count == 0) return;
        var order = model.Graph.Nodes.Select((n, i) => (n, i)).ToDictionary(p => p.n, p => p.i);
        var observed = targets.Select(t => (Target: t, Refit: Observed(model, t))).Where(p => p.Refit is not null).OrderBy(p => order[p.Refit!.Linear.Node]).ToList();
        var treated = Treat(model, [.. observed.Select(o => o.Refit!)]);
        foreach (var target in targets)
        {
            if (treated.TryGetValue(target.Site.Value, out var record)) Record(target, record, log);
            else PruneByMagnitude(target, log);
        }

        if (treated.Count == 0) log.Report(PruningNotes.NotRanked(targets[0].Options.Pruning, targets.Select(WhyNot), "they were ranked by magnitude within their layer"));
        log.Report(PruningNotes.FullTime());
    }

    private Dictionary<Value, RefitRecord> Treat(Model model, IReadOnlyList<RefitTarget> targets) => targets.Count == 0
        ? []
        : new LeastSquaresRefit(source, model, cancellation).Run(model, targets, ChannelRemoval.None(ShapeInference.Run(model))).ToDictionary(r => r.Weight);

    private static string WhyNot(PruningTarget target) =>
        target.Site.Tensor.DataType == DataType.Float ? "its inputs cannot be observed" : PruningNotes.OnlyBinary32(target.Options.Pruning, target.Site.Tensor.DataType);

    private RefitTarget? Observed(Model model, PruningTarget target)
    {
        if (target.Site.Uses is not [{ Node: var node }] || node.Graph != model.Graph || target.Site.Tensor.DataType != DataType.Float) return null;
        if (LinearSite.TryCreate(node) is not { } linear || linear.Weight != target.Site.Value) return null;
        var choice = target.Options.Pruning == PruningCriterion.Wanda ? ElementChoices.Wanda(target.Options) : ElementChoices.SparseGpt(target.Options, cancellation);
        bool fits = target.Options.Compensation != Compensation.None;
        var refit = new RefitTarget(linear, choice, fits, EstimatesBias: fits || target.Options.Pruning == PruningCriterion.SparseGpt);
        return refit.IsAffordable ? refit : null;
    }

    private void Record(PruningTarget target, RefitRecord refit, PassLog log)
    {
        string update = target.Options.Compensation == Compensation.None ? "" : UpdateRecord.Describe(refit);
        UpdateRecord.Add(log, Name, target.Site, target.Site.Tensor, $"pruned by {target.Options.Pruning}, {target.Options.PruningPattern}{update}");
    }

    private void PruneByMagnitude(PruningTarget target, PassLog log)
    {
        var elements = new WeightRanking([target]).Prune(target with { Options = target.Options with { PruningScope = PruningScope.Layer } });
        elements.RestoreEmptyChannels(ChannelLayout.Of(target.Site.Tensor.Dims, target.Site.Uses[0].ChannelAxes));
        target.Site.Value.SetConstant(elements.ToTensor());
        UpdateRecord.Add(log, Name, target.Site, target.Site.Tensor, $"pruned by magnitude, {target.Options.PruningPattern}");
        PruningRecord.Of(log, target.Site).Reason = $"ranked by magnitude, not by {target.Options.Pruning}: {WhyNot(target)}";
    }
}
