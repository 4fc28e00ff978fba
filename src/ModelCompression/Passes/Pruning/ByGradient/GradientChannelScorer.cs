using ModelCompression.Analysis.Channels;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Channels;

namespace ModelCompression.Passes.Pruning.ByGradient;

/// <summary>Scores a unit by the gradient of a gate on it.</summary>
/// <remarks>
/// A gate multiplies what the unit sends to its readers; at 1 it changes nothing, at 0 the unit is gone. Its gradient in mini-batch t is g(t) = Σ w·∂w over all weights that read the unit,
/// because Σ w·∂w = Σ x·∂x for whatever is linear in x; without such weights, over those that make it. It is in units of the loss, and so comparable between layers.
/// With its mean m and population standard deviation s: <c>GradientStability</c> marks units with |m| and s within the thresholds, or scores max(|m|, s); <c>Taylor</c> scores √(mean g²)
/// (Molchanov et al., CVPR 2019).
/// </remarks>
/// <param name="criterion"><c>GradientStability</c> or <c>Taylor</c>.</param>
/// <param name="source">Gradients over the training data.</param>
/// <param name="log">Takes warnings and gradients.</param>
public sealed class GradientChannelScorer(PruningCriterion criterion, IGradientSource source, PassLog log) : IChannelScorer
{
    /// <inheritdoc/>
    public PruningCriterion Criterion => criterion;

    /// <inheritdoc/>
    public IReadOnlyList<ChannelScores> Score(Model model, IReadOnlyList<ScoredGroup> groups, CancellationToken cancellation)
    {
        if (groups.Count == 0) return [];
        var slots = groups.Select(g => GatedSlots(model, g.Group)).ToList();
        var axes = slots.SelectMany(s => s).Select(s => (s.Value, s.Axis)).Distinct().ToList();
        var index = axes.Select((a, i) => (a, i)).ToDictionary(p => p.a, p => p.i);
        var moments = groups.Select(g => new GradientMoments(g.Group.UnitCount)).ToList();
        if (axes.Count > 0)
        {
            new GradientSampler(source, groups[0].Options).Visit(model, axes.ConvertAll(a => a.Value), axes.ConvertAll(a => (int?)a.Axis), gradients => Parallel.For(0, groups.Count, i =>
            {
                var units = new float[groups[i].Group.UnitCount];
                foreach (var slot in slots[i]) AddGates(slot, gradients.Array(index[(slot.Value, slot.Axis)]), units);
                moments[i].Add(units);
            }), cancellation);
        }

        var scores = groups.Select((g, i) => slots[i].Count == 0 ? NotScored(g) : Scores(g, moments[i])).ToList();
        Check(scores, groups[0].Options);
        return scores;
    }

    /// <summary>Weights that read the units, else weights and parameters that make them.</summary>
    internal static List<ChannelSlot> GatedSlots(Model model, ChannelGroup group)
    {
        var usable = group.Slots.Where(s => s.Value.Graph == model.Graph && s.Value.TryGetConstant(out var t) && t.DataType.IsFloatingPoint()).ToList();
        var readers = usable.FindAll(s => s.Role == ChannelRole.Consumer);
        return readers.Count > 0 ? readers : usable.FindAll(s => s.Role is ChannelRole.Producer or ChannelRole.Parameter);
    }

    /// <summary>Adds the gradients of a slot's positions to the units.</summary>
    private static void AddGates(ChannelSlot slot, float[] gates, float[] units)
    {
        for (int i = 0; i < slot.Positions.Count; i++) units[i / slot.PositionsPerUnit] += gates[slot.Positions[i]];
    }

    private ChannelScores Scores(ScoredGroup group, GradientMoments moments)
    {
        var values = new double[group.Group.UnitCount];
        for (int u = 0; u < values.Length; u++)
            values[u] = criterion == PruningCriterion.Taylor ? Math.Sqrt(moments.MeanSquare(u)) : Math.Max(Math.Abs(moments.Mean[u]), moments.Deviation(u));
        bool[]? marked = null;
        if (criterion == PruningCriterion.GradientStability && group.Options is { Sparsity: null, GradientMeanThreshold: { } mean, GradientStdThreshold: { } deviation })
            marked = [.. values.Select((_, u) => Math.Abs(moments.Mean[u]) <= mean && moments.Deviation(u) <= deviation)];
        for (int u = 0; u < values.Length; u++) log.Gradient(new(FormattableString.Invariant($"{ChannelReport.NameOf(group.Group)}[{u}]"), moments.Mean[u], moments.Deviation(u), marked?[u]));
        return new(values, marked);
    }

    /// <summary>Channels without a floating point weight stay.</summary>
    private static ChannelScores NotScored(ScoredGroup group) =>
        new([.. Enumerable.Repeat(1.0, group.Group.UnitCount)], new bool[group.Group.UnitCount]) { WhyNot = "no floating point weight of the main graph makes or reads them, so they have no gradients" };

    private void Check(List<ChannelScores> scores, CompressionOptions options)
    {
        var marked = scores.Where(s => s is { Removable: not null, WhyNot: null }).SelectMany(s => s.Removable!).ToList();
        if (marked.Count == 0 || criterion != PruningCriterion.GradientStability) return;
        if (marked.TrueForAll(m => m))
            throw new ThresholdOutcome("channel", options, log.Gradients).Everything();
        if (!marked.Contains(true))
            log.Report(new ThresholdOutcome("channel", options, log.Gradients).Nothing());
    }
}
