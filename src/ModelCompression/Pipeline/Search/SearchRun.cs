using System.Globalization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Reports;
using ModelCompression.Runtime.Evaluation;

namespace ModelCompression.Pipeline.Search;

/// <summary><c>Strategy=Auto</c>: opens the data, runs the original once, searches, and says what was chosen.</summary>
/// <param name="request">The request.</param>
/// <param name="settings">Its settings.</param>
/// <param name="sourceDigest">Digest of the source.</param>
/// <param name="report">Takes messages.</param>
/// <param name="strategy">The way to search: <see cref="GuidedSearch.Run"/>, or another one to compare it with.</param>
internal sealed class SearchRun(CompressionRequest request, CompressionSettings settings, Task<string> sourceDigest, Action<Diagnostic> report, Action<SearchContext, CancellationToken> strategy)
{
    /// <summary>Samples that a search without validation data is judged on.</summary>
    private const int MaxUnlabelledFeeds = 64;

    /// <summary>Searches.</summary>
    /// <returns>What was found; null after an error.</returns>
    /// <exception cref="DiagnosticException">The model or its data cannot be used.</exception>
    public SearchOutcome? Execute(CancellationToken cancellation)
    {
        using var model = OnnxReader.Read(request.SourcePath);
        ModelRequirements.CheckOpens(model);
        using var data = RunData.Open(settings.Model, model);
        if (data.FidelitySamples.Count == 0)
        {
            report(Diagnostic.Error("MCB5023", $"The search has nothing to judge results on: {data.FidelitySamples.Refusal ?? "there are no samples"}. Give ValidationData or CalibrationData, or use Strategy=Fixed."));
            return null;
        }

        var goal = SearchGoal.Of(settings.Model, data);
        if (goal.Note is { } note) report(note);
        int maxFeeds = settings.Model.ValidationData.Count > 0 ? int.MaxValue : MaxUnlabelledFeeds;
        var program = MetricProgram.Of(settings.Model, request.MetricFolder);
        using var evaluation = RepeatedEvaluation.Start(request.SourcePath, data.FidelitySamples, program is null ? data.Validation : null, goal.Options.Metric, maxFeeds, request.Threads, cancellation);
        string sha256 = sourceDigest.GetAwaiter().GetResult();
        var clock = new SearchClock(settings.Model.SearchTimeLimit);
        var folds = new SampleFolds(Math.Min(settings.Model.CrossValidationFolds ?? 1, evaluation.FeedCount));
        var bench = new SearchWorkbench(request, goal.Added, sha256, data, evaluation, folds, new TrialStore(request.OutputPath, SearchKey.Of(request, settings.Model, sha256, folds.Count)), clock) { Program = program, MeasuresLatency = goal.Options.Objective == SearchObjective.Latency || goal.Options.MaxLatencyRatio is not null };
        int[] all = [.. Enumerable.Range(0, evaluation.FeedCount)];
        var metric = program is not null ? JudgedMetric.Of(program.Run(request.SourcePath, cancellation)) : JudgedMetric.Of(evaluation.Metric, folds.Values(evaluation.Metric, all, evaluation.Original), folds.Weights(evaluation.Original));
        var trials = new TrialLog(bench, new GateJudge(goal.Options, metric, model.StoredByteLength), settings.Model.SearchTrials, clock, Tell, cancellation);
        IReadOnlyList<SearchLayer> layers;
        using (var cleaned = bench.Cleaned(cancellation)) layers = SearchLayer.Of(cleaned, IsFree);
        bench.Plan(layers);
        using (var limit = clock.Limit(cancellation))
        {
            try
            {
                strategy(new SearchContext(bench, trials, layers, LayerMethods.For(layers, request.Item.Values), goal.Options), limit.Token);
            }
            catch (OperationCanceledException) when (trials.IsLate && !cancellation.IsCancellationRequested)
            {
                // The time was used up within a trial: what is known by now decides.
            }
        }

        return new SearchConclusion(request, goal, trials, bench, report).Conclude();
    }

    /// <summary>What the user decided for a node is not searched.</summary>
    private bool IsFree(Node node) => settings.ReasonToSkip(node) is null && !settings.Rules.Any(r => r.Matches(node));

    private void Tell(Trial trial, int number)
    {
        string figures = trial.Result.Problem ?? string.Create(CultureInfo.InvariantCulture,
            $"{SummaryLine.Size(trial.Result.Bytes)}, {trial.Verdict.Validation?.Metric} {trial.Verdict.Validation?.Compressed:0.####}, {(trial.Verdict.Passed ? "passes" : "fails")}");
        request.Progress?.Invoke(new($"trial {trial.Candidate.Name}: {figures}", number, settings.Model.SearchTrials));
    }
}
