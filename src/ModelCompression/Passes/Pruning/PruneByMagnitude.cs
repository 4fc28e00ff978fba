using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
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
        var thresholds = new Dictionary<double, MagnitudeThreshold>();
        bool pruned = false;
        foreach (var target in targets)
        {
            if (target.Options.PruningPattern.Kind == PruningPatternKind.Channel) continue;
            var elements = Prune(target, targets, thresholds);
            if (target.Options.PruningPattern.Kind == PruningPatternKind.Unstructured
                && elements.RestoreEmptyChannels(ChannelLayout.Of(target.Site.Tensor.Dims, target.Site.Uses[0].ChannelAxes)) is > 0 and var channels)
                restored.Add((target.Site.Node.DisplayName, channels));
            Replace(target.Site.Value, elements.ToTensor());
            Record(target, elements, log);
            pruned = true;
        }

        if (pruned) log.Report(FullTimeNote());
        if (restored.Count > 0) log.Report(EmptyChannelWarning(restored));
    }

    private static PrunedElements Prune(PruningTarget target, IReadOnlyList<PruningTarget> all, Dictionary<double, MagnitudeThreshold> thresholds)
    {
        var options = target.Options;
        if (options.PruningPattern.Kind == PruningPatternKind.NOfM)
            return target.Elements.PruneNOfM(target.Site.Uses[0].ReductionAxis, options.PruningPattern.N, options.PruningPattern.M);
        double sparsity = options.Sparsity!.Value;
        if (options.PruningScope == PruningScope.Layer) return target.Elements.PruneBelow(Threshold([target.Elements], sparsity));
        if (!thresholds.TryGetValue(sparsity, out var threshold))
            thresholds.Add(sparsity, threshold = Threshold([.. all.Where(t => IsRankedWith(t.Options, sparsity)).Select(t => t.Elements)], sparsity));
        return target.Elements.PruneBelow(threshold);
    }

    private static bool IsRankedWith(CompressionOptions options, double sparsity) =>
        options.PruningPattern.Kind == PruningPatternKind.Unstructured && options.PruningScope == PruningScope.Global && options.Sparsity == sparsity;

    private static MagnitudeThreshold Threshold(IReadOnlyList<WeightElements> weights, double sparsity) =>
        MagnitudeThreshold.Find(weights, PruningTarget.CountToRemove(sparsity, weights.Sum(w => w.Tensor.ElementCount)));

    private static void Replace(Value value, Tensor tensor)
    {
        if (value.Producer is not { } constant)
        {
            value.Graph.SetInitializer(value, tensor);
            return;
        }

        foreach (string name in constant.Attributes.Select(a => a.Name).Where(n => n != "value").ToArray()) constant.RemoveAttribute(name);
        constant.SetAttribute(NodeAttribute.Of("value", tensor));
    }

    private void Record(PruningTarget target, PrunedElements elements, PassLog log)
    {
        var record = PruningRecord.Of(log, target.Site);
        var measure = elements.Measure();
        record.Sparsity = measure.Zeros / (double)target.Site.Tensor.ElementCount;
        record.SqnrDb = measure.SqnrDb;
        string action = FormattableString.Invariant($"pruned by magnitude, {target.Options.PruningPattern}, {100 * record.Sparsity:0.0} % zeros");
        record.AddAction(action);
        log.Applied(Name, target.Site.Node.DisplayName, action);
    }

    private static Diagnostic FullTimeNote() => Diagnostic.Note("MCB4020",
        "Pruned weights make the file smaller but not the model faster: ONNX Runtime multiplies zeros like any other number. To save time, too, remove whole channels with PruningPattern=\"Channel\".");

    private static Diagnostic EmptyChannelWarning(List<(string Layer, int Channels)> restored)
    {
        string layers = string.Join(", ", restored.Take(3).Select(r => FormattableString.Invariant($"{r.Layer} ({r.Channels})")));
        string more = restored.Count > 3 ? FormattableString.Invariant($" and {restored.Count - 3} more layers") : "";
        return Diagnostic.Warning("MCB4021",
            FormattableString.Invariant($"{restored.Sum(r => r.Channels)} output channels would have lost all of their weights, in {layers}{more}; the largest weight of each was kept. Lower Sparsity, or use PruningScope=\"Layer\"."));
    }
}
