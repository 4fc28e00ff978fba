using System.Globalization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Search;

/// <summary>Draws the conclusion from the trials: what is chosen, or why nothing passes.</summary>
internal sealed class SearchConclusion(CompressionRequest request, SearchGoal goal, TrialLog trials, SearchWorkbench bench, Action<Diagnostic> report)
{
    private const int MostNamed = 3;

    /// <summary>The outcome; null after an error.</summary>
    public SearchOutcome? Conclude()
    {
        var selection = FoldSelection.Of(trials);
        var chosen = selection.Chosen;
        if (chosen is null)
        {
            var error = NothingPasses(selection);
            bool stops = goal.Options.OnFailure == GateFailure.Error;
            var closest = trials.BestOf(t => t.Result.Problem is null && t.Result.OutputNoise is not null);
            report(stops || closest is null ? error : error with { Severity = DiagnosticSeverity.Warning });
            if (stops || closest is null) return null;
            chosen = closest;
        }
        else report(Diagnostic.Note("MCB5021", Describe(chosen.Candidate.With(goal.Added))));

        return new SearchOutcome(SearchOutcome.RequestFor(chosen.Candidate.With(goal.Added), request, goal.Options), Figures(chosen, selection), [.. trials.Trials.Select((t, i) => Figure(t, i + 1, chosen, selection))]);
    }

    private SearchFigures Figures(Trial chosen, FoldSelection selection) => new()
    {
        Objective = goal.Options.Objective.ToString(),
        TrialEquivalents = Math.Round((double)bench.FeedsRun / bench.FeedCount, 2),
        Chosen = chosen.Candidate.With(goal.Added).Chosen,
        Ended = trials.Count >= goal.Options.SearchTrials ? "SearchTrials" : trials.IsLate ? "SearchTimeLimit" : "nothing left to try",
        CrossValidation = selection.Figures,
    };

    private static TrialFigures Figure(Trial trial, int number, Trial chosen, FoldSelection selection) => new()
    {
        Number = number,
        Name = trial.Candidate.Name,
        Settings = trial.Candidate.Text,
        Bytes = trial.Result.Bytes,
        Metric = trial.Verdict.Validation?.Compressed,
        SqnrDb = trial.Result.SqnrDb,
        LatencyRatio = trial.Result.LatencyRatio,
        Passed = trial.Verdict.Passed,
        Chosen = trial == chosen,
        Problem = trial.Verdict.Passed ? "" : Failures(trial, selection),
    };

    private static string Describe(SearchCandidate chosen) =>
        $"The search chose {(chosen.Text.Length == 0 ? "the item's own settings" : chosen.Text)}. With Strategy=Fixed {(chosen.Text.Length == 0 ? "they" : "these")} give the same result without a search.";

    private Diagnostic NothingPasses(FoldSelection selection)
    {
        var usable = trials.Trials.Where(t => t.Result.Problem is null && t.Result.OutputNoise is not null).ToList();
        if (usable.Count == 0)
        {
            string problem = trials.Trials.Count > 0 ? trials.Trials[0].Result.Problem ?? "outputs are not finite" : "there was no time for a trial";
            return Diagnostic.Error("MCB5020", $"The search found nothing that can be used in {trials.Count} trials: {problem}");
        }

        usable.Sort((a, b) => GateJudge.IsBetter(a, b) ? -1 : GateJudge.IsBetter(b, a) ? 1 : 0);
        string closest = string.Join("; ", usable.Take(MostNamed).Select(t => $"{t.Candidate.Name}, {SummaryLine.Size(t.Result.Bytes)}: {Failures(t, selection)}"));
        return Diagnostic.Error("MCB5020", $"None of {trials.Count} trials passes all gates. Closest: {closest}. Loosen the gate that stops them, give more data for recovery, or raise SearchTrials.");
    }

    private static string Failures(Trial trial, FoldSelection selection)
    {
        if (trial.Result.Problem is { } problem) return problem;
        if (trial.Result.OutputNoise is null) return "outputs are not finite";
        var failed = trial.Verdict.Gates.Where(g => !g.Passed).Select(g => string.Create(CultureInfo.InvariantCulture, $"{g.Name} is {g.Limit:0.######}, reached {g.Actual:0.######}")).ToList();
        return failed.Count > 0 ? string.Join(" and ", failed) : selection.Reason;
    }
}
