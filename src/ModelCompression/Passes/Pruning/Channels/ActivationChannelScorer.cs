using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Refitting;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Scores a unit by what it adds to the layers that read it: Wanda's |w|·‖x‖ for whole channels.</summary>
/// <remarks>
/// For every Conv, Gemm or MatMul that sums over the units, e(u) = E[x_u²]·‖W[:, u]‖², divided by its mean over the units; the score is √(sum of these ratios). Groups
/// whose readers cannot be observed are scored by magnitude. After Sun et al., "A Simple and Effective Pruning Approach for Large Language Models", ICLR 2024.
/// </remarks>
/// <param name="source">Runs the calibration data.</param>
public sealed class ActivationChannelScorer(IStatisticsSource source) : IChannelScorer
{
    /// <inheritdoc/>
    public PruningCriterion Criterion => PruningCriterion.Wanda;

    /// <inheritdoc/>
    public IReadOnlyList<ChannelScores> Score(Model model, IReadOnlyList<ScoredGroup> groups, CancellationToken cancellation)
    {
        var plan = new StatisticsPlan();
        var readers = groups.Select(g => Readers(model, g.Group, plan)).ToList();
        source.Collect(model, plan, cancellation);
        var energies = new ChannelEnergies();
        var plain = new MagnitudeChannelScorer().Score(model, groups, cancellation);
        return [.. groups.Select((g, i) => Score(g.Group, readers[i], energies) is { } scores ? new ChannelScores(scores) : plain[i])];
    }

    private static List<(ChannelSlot Slot, ChannelStatistic Input)> Readers(Model model, ChannelGroup group, StatisticsPlan plan)
    {
        var readers = new List<(ChannelSlot, ChannelStatistic)>();
        foreach (var slot in group.Consumers)
            foreach (var use in slot.Value.Uses)
                if (use.Node.Graph == model.Graph && LinearSite.TryCreate(use.Node) is { } linear && linear.Weight == slot.Value)
                    readers.Add((slot, plan.Need(linear.X, ChannelStatistic.Key(linear.ChannelAxis), () => new ChannelStatistic(linear.ChannelAxis))));
        return readers;
    }

    private static double[]? Score(ChannelGroup group, List<(ChannelSlot Slot, ChannelStatistic Input)> readers, ChannelEnergies energies)
    {
        var scores = new double[group.UnitCount];
        bool any = false;
        foreach (var (slot, input) in readers)
        {
            if (!slot.Value.TryGetConstant(out var weight) || energies.Of(weight, slot.Axis) is not { } energy || input.Channels != energy.Count) continue;
            var perUnit = slot.PerUnit([.. energy.Select((e, c) => e * input.MeanSquare(c))]);
            double mean = perUnit.Average();
            if (!(mean > 0) || !double.IsFinite(mean)) continue;
            for (int u = 0; u < scores.Length; u++) scores[u] += perUnit[u] / mean;
            any = true;
        }

        for (int u = 0; u < scores.Length; u++) scores[u] = Math.Sqrt(scores[u]);
        return any ? scores : null;
    }
}
