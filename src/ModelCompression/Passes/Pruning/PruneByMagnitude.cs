using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning;

/// <summary>Sets the weights of smallest absolute value to zero: single weights, or all but N of every M along the reduction axis.</summary>
/// <remarks>
/// <para>
/// <c>Global</c> ranks all weights with the same <c>Sparsity</c> against each other, <c>Layer</c> each weight tensor by itself; exactly round(sparsity · count) elements go (halves to even), zeros
/// that were there included. Among equal absolute values the first in graph order and element order go. An output channel never loses all of its weights: its largest
/// one stays, which is reported (MCB4021), and then fewer elements go.
/// </para>
/// <para>
/// <c>N:M</c> groups run along the axis that is summed over: input channels of Conv (axis 1; kernel positions are separate groups, as sparse hardware has it) and ConvTranspose (axis 0), the inner axis of
/// matrix products, the input axis of recurrent weights. A shorter last group keeps N as well.
/// </para>
/// <para>Magnitude pruning: Han, Pool, Tran, Dally, "Learning both Weights and Connections", NIPS 2015. N:M: Mishra et al., "Accelerating Sparse Deep Neural Networks", 2021.</para>
/// </remarks>
public sealed class PruneByMagnitude : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var targets = PrunableWeights.Select(model, settings, PruningCriterion.Magnitude, log, Name);
        var restored = new List<(string Layer, int Channels)>();
        var ranking = new WeightRanking(targets);
        bool pruned = false;
        foreach (var target in targets)
        {
            if (target.Options.PruningPattern.Kind == PruningPatternKind.Channel) continue;
            var elements = ranking.Prune(target);
            if (target.Options.PruningPattern.Kind == PruningPatternKind.Unstructured
                && elements.RestoreEmptyChannels(ChannelLayout.Of(target.Site.Tensor.Dims, target.Site.Uses[0].ChannelAxes)) is > 0 and var channels)
                restored.Add((target.Site.Node.DisplayName, channels));
            target.Site.Value.SetConstant(elements.ToTensor());
            Record(target, elements, log);
            pruned = true;
        }

        if (pruned) log.Report(PruningNotes.FullTime());
        if (restored.Count > 0) log.Report(PruningNotes.EmptyChannels(restored));
    }

    private void Record(PruningTarget target, PrunedElements elements, PassLog log)
    {
        var record = PruningRecord.Of(log, target.Site);
        elements.Measure().WriteTo(record, target.Site.Tensor.ElementCount);
        string action = FormattableString.Invariant($"pruned by magnitude, {target.Options.PruningPattern}, {100 * record.PrunedShare:0.0} % zeros");
        record.AddAction(action);
        log.Applied(Name, target.Site.Node.DisplayName, action);
    }
}
