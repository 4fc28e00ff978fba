using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Refitting;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.ByActivation;

/// <summary>Sets single weights to zero by what the calibration data says of their inputs: <c>Wanda</c> or <c>SparseGpt</c>, any share or N of every M.</summary>
/// <remarks>
/// <para><c>Wanda</c> removes the lowest |w|·‖x‖₂ of each output row (Sun et al., ICLR 2024). Unless <c>Compensation=None</c>, the weights that stay are updated as SparseGPT does.</para>
/// <para><c>SparseGpt</c> walks through the columns; in every block of 128 those weights go whose removal costs least, w²/[H⁻¹]ᵢᵢ of the updated weights, and the columns behind make up
/// for them (Frantar, Alistarh, ICML 2023), biases included. The share is that of every layer.</para>
/// <para>Layers are treated in graph order, each with the inputs it has behind its pruned predecessors. A weight whose inputs cannot be observed (recurrent cells, subgraphs, shared weights)
/// is ranked by |w| within its layer instead, which the report says.</para>
/// </remarks>
/// <param name="source">Runs the calibration data.</param>
/// <param name="cancellation">Stops the work.</param>
public sealed class PruneByActivation(IStatisticsSource source, CancellationToken cancellation = default) : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var targets = new List<UpdateTarget>();
        var others = new List<(PruningTarget Target, string Reason)>();
        foreach (var criterion in new[] { PruningCriterion.Wanda, PruningCriterion.SparseGpt })
            foreach (var target in PrunableWeights.Select(model, settings, criterion, log, Name))
            {
                if (target.Options.PruningPattern.Kind == PruningPatternKind.Channel) continue;
                if (Observed(model, target, criterion) is { } observed) targets.Add(observed);
                else others.Add((target, "its inputs cannot be observed"));
            }

        var position = model.Graph.Nodes.Select((n, i) => (n, i)).ToDictionary(p => p.n, p => p.i);
        targets.Sort((a, b) => position[a.Operator.Node].CompareTo(position[b.Operator.Node]));
        var done = new WeightUpdate(source, cancellation).Run(model, targets);
        for (int i = 0; i < done.Length; i++)
        {
            if (done[i]) Record(targets[i], log);
            else others.Add((new(targets[i].Site, targets[i].Options, WeightElements.TryCreate(targets[i].Before)!), "the calibration data does not reach it"));
        }

        foreach (var (target, reason) in others) PruneByMagnitude(target, reason, log);
        if (targets.Count + others.Count > 0) log.Report(PruningNotes.FullTime());
    }

    private static UpdateTarget? Observed(Model model, PruningTarget target, PruningCriterion criterion)
    {
        if (target.Site.Uses is not [{ Node: var node }] || node.Graph != model.Graph || target.Site.Tensor.DataType != DataType.Float) return null;
        if (LinearSite.TryCreate(node) is not { } linear || linear.Weight != target.Site.Value) return null;
        bool updates = criterion == PruningCriterion.SparseGpt || target.Options.Compensation != Compensation.None;
        return new(target.Site, linear, target.Site.Tensor, target.Options, criterion == PruningCriterion.Wanda ? MaskChoice.Wanda : MaskChoice.SparseGpt, updates);
    }

    private void Record(UpdateTarget target, PassLog log)
    {
        string update = target.NeedsGram ? ", remaining weights updated" : "";
        UpdateRecord.Add(log, Name, target.Site, target.Before, $"pruned by {target.Options.Pruning}, {target.Options.PruningPattern}{update}");
    }

    private void PruneByMagnitude(PruningTarget target, string reason, PassLog log)
    {
        var elements = new WeightRanking([target]).Prune(target with { Options = target.Options with { PruningScope = PruningScope.Layer } });
        elements.RestoreEmptyChannels(ChannelLayout.Of(target.Site.Tensor.Dims, target.Site.Uses[0].ChannelAxes));
        WeightReplacement.Replace(target.Site.Value, elements.ToTensor());
        UpdateRecord.Add(log, Name, target.Site, target.Site.Tensor, $"pruned by magnitude, {target.Options.PruningPattern}");
        PruningRecord.Of(log, target.Site).Reason = $"not ranked by {target.Options.Pruning}: {reason}";
    }
}
