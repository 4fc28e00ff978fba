using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Scores a unit by the weights that go with it.</summary>
/// <remarks>
/// For every weight W with positions of the units, as output or as input channels, n_W(u) = ‖W[u]‖² is divided by its mean over the units, so that large weights do not drown small ones;
/// the score is √(mean of these ratios over all weights). Vectors count when they scale channels (norms), not when they are added. Li et al., "Pruning Filters for
/// Efficient ConvNets", ICLR 2017 (norms of filters); the sum over a dependency group follows DepGraph, CVPR 2023.
/// </remarks>
public sealed class MagnitudeChannelScorer : IChannelScorer
{
    /// <inheritdoc/>
    public PruningCriterion Criterion => PruningCriterion.Magnitude;

    /// <inheritdoc/>
    public IReadOnlyList<ChannelScores> Score(Model model, IReadOnlyList<ScoredGroup> groups, CancellationToken cancellation)
    {
        var energies = new ChannelEnergies();
        return [.. groups.Select(g =>
        {
            cancellation.ThrowIfCancellationRequested();
            return new ChannelScores(Score(g.Group, energies));
        })];
    }

    private static double[] Score(ChannelGroup group, ChannelEnergies energies)
    {
        var scores = new double[group.UnitCount];
        foreach (var slot in group.Slots)
        {
            if (slot.Role is not (ChannelRole.Producer or ChannelRole.Consumer) || !slot.Value.TryGetConstant(out var tensor) || energies.Of(tensor, slot.Axis) is not { } energy) continue;
            var perUnit = slot.PerUnit(energy);
            double mean = perUnit.Average();
            if (mean > 0 && double.IsFinite(mean))
                for (int u = 0; u < scores.Length; u++) scores[u] += perUnit[u] / mean;
        }

        for (int u = 0; u < scores.Length; u++) scores[u] = Math.Sqrt(scores[u]);
        return scores;
    }
}

/// <summary>Sums over the positions of units.</summary>
internal static class ChannelSums
{
    /// <summary>Sums a quantity per position of a slot's axis to one per unit.</summary>
    public static double[] PerUnit(this ChannelSlot slot, IReadOnlyList<double> perPosition)
    {
        var sums = new double[slot.Positions.Count / slot.PositionsPerUnit];
        for (int i = 0; i < slot.Positions.Count; i++) sums[i / slot.PositionsPerUnit] += perPosition[slot.Positions[i]];
        return sums;
    }
}
