using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning.ByGradient;

/// <summary>Stores pruned weights and says what became of them.</summary>
internal sealed class GradientOutcome(string pass, PruningCriterion criterion, CompressionOptions options, PassLog log)
{
    private readonly List<(string Layer, int Channels)> restored = [];
    private long removed;
    private long count;
    private bool byThresholds;

    /// <summary>Stores a weight; an output channel never loses all of its weights.</summary>
    public void Apply(PruningTarget target, PrunedElements elements)
    {
        bool isUnstructured = target.Options.PruningPattern.Kind == PruningPatternKind.Unstructured;
        byThresholds |= isUnstructured && target.Options.Sparsity is null;
        removed += elements.Measure().Zeros;
        count += target.Site.Tensor.ElementCount;
        if (isUnstructured && elements.RestoreEmptyChannels(ChannelLayout.Of(target.Site.Tensor.Dims, target.Site.Uses[0].ChannelAxes)) is > 0 and var channels)
            restored.Add((target.Site.Node.DisplayName, channels));
        target.Site.Value.SetConstant(elements.ToTensor());
        var record = PruningRecord.Of(log, target.Site);
        elements.Measure().WriteTo(record, target.Site.Tensor.ElementCount);
        string action = FormattableString.Invariant($"pruned by {criterion}, {target.Options.PruningPattern}, {100 * record.PrunedShare:0.0} % zeros");
        record.AddAction(action);
        log.Applied(pass, target.Site.Node.DisplayName, action);
    }

    /// <summary>Warnings and notes.</summary>
    /// <param name="gradients">Gradients to tell medians of.</param>
    /// <exception cref="DiagnosticException">MCB4065: thresholds would remove everything.</exception>
    public void Report(Func<IReadOnlyList<UnitGradient>> gradients)
    {
        if (count == 0) return;
        if (byThresholds && removed == count)
            throw new ThresholdOutcome("weight", options, gradients()).Everything();
        if (byThresholds && removed == 0)
            log.Report(new ThresholdOutcome("weight", options, gradients()).Nothing());
        if (removed > 0) log.Report(PruningNotes.FullTime());
        if (restored.Count > 0) log.Report(PruningNotes.EmptyChannels(restored));
    }
}
