using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Search;

/// <summary>The choice among the trials, with cross-validation where there are folds.</summary>
/// <remarks>
/// The best of many candidates passes its gate partly by luck. For every fold the best candidate is chosen on the other folds and judged on this one; the mean of these losses is what the
/// choice loses on samples it has not seen. When that exceeds the gate, candidates must pass with a margin: the smallest one for which the mean is within the gate.
/// </remarks>
internal sealed record FoldSelection(Trial? Chosen, CrossValidationFigures? Figures, string Reason)
{
    private const int MarginSteps = 20;

    /// <summary>Chooses.</summary>
    public static FoldSelection Of(TrialLog log)
    {
        int folds = log.Judge.FoldWeights.Count;
        var best = log.BestOf(t => t.Verdict.Passed);
        if (folds < 2 || best is null || log.Judge.Options.MaxMetricDrop is not { } limit) return new(best, null, "");
        for (int step = 0; step <= MarginSteps; step++)
        {
            double margin = Math.Abs(limit) * step / MarginSteps * 2;
            if (Choose(log, limit - margin, _ => true) is not { } chosen) break;
            var drops = HeldOut(log, limit - margin);
            if (drops is null) continue;
            double mean = drops.Average();
            double spread = Math.Sqrt(drops.Sum(d => (d - mean) * (d - mean)) / (drops.Count - 1));
            if (mean <= limit + 1e-12) return new(chosen, new(folds, Math.Round(mean, 6), Math.Round(spread, 6), Math.Round(margin, 6)), "");
        }

        return new(null, null, "it passes on all samples together, but choices made on a part of the samples do not hold on the rest");
    }

    /// <summary>Loss on each fold of what the other folds would choose; null when one of them would choose nothing.</summary>
    private static List<double>? HeldOut(TrialLog log, double limit)
    {
        var drops = new List<double>();
        for (int fold = 0; fold < log.Judge.FoldWeights.Count; fold++)
        {
            int held = fold;
            if (Choose(log, limit, f => f != held) is not { } chosen || log.Judge.Drop(chosen.Result, fold) is not { } drop) return null;
            drops.Add(drop);
        }

        return drops;
    }

    private static Trial? Choose(TrialLog log, double limit, Func<int, bool> useFold)
    {
        Trial? best = null;
        foreach (var trial in log.Trials)
        {
            var verdict = log.Judge.Judge(trial.Result, useFold);
            if (!verdict.Passed || verdict.Validation!.Drop > limit + 1e-12) continue;
            var judged = trial with { Verdict = verdict };
            if (best is null || GateJudge.IsBetter(judged, best)) best = judged;
        }

        return best is null ? null : log.Trials.First(t => t.Candidate.Key == best.Candidate.Key);
    }
}
