using ModelCompression.Gradients;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning;
using ModelCompression.Passes.Pruning.ByActivation;
using ModelCompression.Passes.Pruning.ByGradient;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Statistics;

namespace ModelCompression.Pipeline;

/// <summary>The passes that prune: whole channels first, so that single weights are ranked among those that stay.</summary>
internal static class PruningPasses
{
    /// <summary>The passes that some options ask for.</summary>
    /// <param name="asks">True if the options of the model or of a rule fulfil a condition.</param>
    /// <param name="statistics">Calibration data, or null.</param>
    /// <param name="gradients">Training data, or null.</param>
    /// <param name="log">Takes what criteria have to tell.</param>
    /// <param name="cancellation">Stops passes that run data.</param>
    public static IEnumerable<ModelPass> Of(Func<Func<CompressionOptions, bool>, bool> asks, IStatisticsSource? statistics, IGradientSource? gradients, PassLog log, CancellationToken cancellation)
    {
        if (asks(o => o.Pruning != PruningCriterion.None && o.PruningPattern.Kind == PruningPatternKind.Channel)) yield return new RemoveChannels(ChannelScorers(statistics, gradients, log), statistics, statistics?.Record ?? gradients?.Record, cancellation);
        if (asks(o => o.Pruning == PruningCriterion.Magnitude && IsOfWeights(o))) yield return Compensated(new PruneByMagnitude());
        if (gradients is not null && asks(o => IsByGradient(o) && IsOfWeights(o))) yield return Compensated(new PruneByGradient(gradients, cancellation));
        if (statistics is not null && asks(o => o.Pruning is PruningCriterion.Wanda or PruningCriterion.SparseGpt && IsOfWeights(o))) yield return new PruneByActivation(statistics, cancellation);

        ModelPass Compensated(ModelPass pass) => statistics is not null && asks(o => o.Compensation != Compensation.None) ? new CompensatePruning(pass, statistics, cancellation) : pass;
    }

    private static List<IChannelScorer> ChannelScorers(IStatisticsSource? statistics, IGradientSource? gradients, PassLog log)
    {
        var scorers = new List<IChannelScorer> { new MagnitudeChannelScorer() };
        if (statistics is not null) scorers.Add(new ActivationChannelScorer(statistics));
        if (gradients is null) return scorers;
        scorers.Add(new GradientChannelScorer(PruningCriterion.GradientStability, gradients, log));
        scorers.Add(new GradientChannelScorer(PruningCriterion.Taylor, gradients, log));
        return scorers;
    }

    private static bool IsOfWeights(CompressionOptions options) => options.PruningPattern.Kind != PruningPatternKind.Channel;

    private static bool IsByGradient(CompressionOptions options) => options.Pruning is PruningCriterion.GradientStability or PruningCriterion.Taylor;
}
