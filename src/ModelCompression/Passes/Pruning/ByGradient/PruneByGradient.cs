using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning.ByGradient;

/// <summary>Sets single weights to zero by what the gradient of the training loss says about them: <c>GradientStability</c> or <c>Taylor</c>.</summary>
/// <remarks>
/// <para>With g(t) the gradient of a weight w in mini-batch t of T, m its mean and s its population standard deviation:</para>
/// <para><c>GradientStability</c> with thresholds removes w where |m| ≤ <c>GradientMeanThreshold</c> and s ≤ <c>GradientStdThreshold</c>; with <c>Sparsity</c> the lowest |w|·max(|m|, s).</para>
/// <para><c>Taylor</c> removes the lowest |w|·√(mean g²), the root mean square of the first-order change of the loss (Molchanov et al., CVPR 2019).</para>
/// <para>Counts, scopes, <c>N:M</c> and kept channels are those of <see cref="PruneByMagnitude"/>.</para>
/// </remarks>
/// <param name="source">Gradients over the training data.</param>
/// <param name="cancellation">Stops the work.</param>
public sealed class PruneByGradient(IGradientSource source, CancellationToken cancellation = default) : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        foreach (var criterion in new[] { PruningCriterion.GradientStability, PruningCriterion.Taylor })
        {
            var wanted = PrunableWeights.Select(model, settings, criterion, log, Name).Where(t => t.Options.PruningPattern.Kind != PruningPatternKind.Channel).ToList();
            var targets = new List<PruningTarget>();
            var reasons = new List<string>();
            foreach (var target in wanted)
            {
                if (target.Site.Value.Graph == model.Graph)
                {
                    targets.Add(target);
                    continue;
                }

                reasons.Add("weights inside a branch, loop or function have no gradients");
                Refuse(target, reasons[^1], log);
            }

            if (targets.Count > 0) Prune(model, criterion, settings.Model, targets, log);
            else if (reasons.Count > 0) log.Report(PruningNotes.NotRanked(criterion, reasons, "nothing was pruned"));
        }
    }

    private void Prune(Model model, PruningCriterion criterion, CompressionOptions options, List<PruningTarget> targets, PassLog log)
    {
        var statistics = new GradientSampler(source, options, log).Moments(model, targets.ConvertAll(t => t.Site.Value), cancellation);
        var scored = new List<(PruningTarget Target, PruningTarget Scores)>();
        for (int i = 0; i < targets.Count; i++)
        {
            if (!statistics[i].IsReached) Refuse(targets[i], "the loss does not depend on it", log);
            else scored.Add((targets[i], targets[i] with { Elements = WeightElements.TryCreate(Score(criterion, targets[i], statistics[i].Moments))! }));
        }

        var ranking = new WeightRanking([.. scored.Select(s => s.Scores)]);
        var outcome = new GradientOutcome(Name, criterion, options, log);
        var momentsOf = targets.Zip(statistics).ToDictionary(p => p.First.Site.Value, p => p.Second.Moments);
        foreach (var (target, scores) in scored)
        {
            var kept = ByThresholds(target.Options) ? scores.Elements.PruneBelow(MagnitudeThreshold.Below(0.5f)) : ranking.Prune(scores);
            var scoresLeft = kept.ToTensor();
            Record(log, target.Site.Node.DisplayName, momentsOf[target.Site.Value], scoresLeft.AsSpan<float>());
            outcome.Apply(target, target.Elements.PruneWhereZero(scoresLeft.AsSpan<float>()));
        }

        outcome.Report(() => Evenly([.. scored.Select(s => momentsOf[s.Target.Site.Value])]));
    }

    /// <summary>Gradients of so many weights, each weight of the model as likely as any other, that medians of them are those of all.</summary>
    private static List<UnitGradient> Evenly(IReadOnlyList<GradientMoments> moments)
    {
        const int wanted = 100_000;
        long step = Math.Max(1, moments.Sum(m => (long)m.Mean.Length) / wanted);
        var sample = new List<UnitGradient>();
        long next = 0;
        foreach (var m in moments)
        {
            for (; next < m.Mean.Length; next += step) sample.Add(new("", m.Mean[(int)next], m.Deviation((int)next), false));
            next -= m.Mean.Length;
        }

        return sample;
    }

    /// <summary>Evenly spaced elements, for a picture of all.</summary>
    private static void Record(PassLog log, string layer, GradientMoments moments, ReadOnlySpan<float> scoresLeft)
    {
        const int shown = 150;
        int step = Math.Max(1, scoresLeft.Length / shown);
        for (int i = step / 2; i < scoresLeft.Length; i += step) log.Gradient(new(layer, moments.Mean[i], moments.Deviation(i), scoresLeft[i] == 0));
    }

    private static bool ByThresholds(CompressionOptions options) => options is
    { Pruning: PruningCriterion.GradientStability, Sparsity: null, GradientMeanThreshold: not null, GradientStdThreshold: not null, PruningPattern.Kind: PruningPatternKind.Unstructured };

    private static Tensor Score(PruningCriterion criterion, PruningTarget target, GradientMoments moments) => ByThresholds(target.Options)
        ? WeightScores.ByThresholds(target.Site.Tensor, moments, target.Options.GradientMeanThreshold!.Value, target.Options.GradientStdThreshold!.Value)
        : WeightScores.Of(criterion, target.Site.Tensor, moments);

    private void Refuse(PruningTarget target, string reason, PassLog log)
    {
        log.Refused(Name, target.Site.Node.DisplayName, reason);
        PruningRecord.Of(log, target.Site).Reason = $"not pruned: {reason}";
    }
}
