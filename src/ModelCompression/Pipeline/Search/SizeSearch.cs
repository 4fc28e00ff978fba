namespace ModelCompression.Pipeline.Search;

/// <summary>
/// Looks for the smallest passing mix of methods. Sensitivities predict the output noise of every mix; for each tolerated noise the smallest mix is found without running
/// anything; trials find the noise at which the gates are just passed, by bisection; then the predictions are corrected around the best mix and the next trials start from there.
/// </summary>
/// <remarks>docs/search.md explains and cites.</remarks>
internal sealed class SizeSearch
{
    private const double FirstNoise = 0.03;

    /// <summary>Ratio of failing to passing noise at which bisection stops: 0.3 dB.</summary>
    private const double FineEnough = 1.07;

    /// <summary>A trial must promise at least this.</summary>
    private const double WorthwhileRatio = 0.99;

    private readonly SearchWorkbench bench;
    private readonly TrialLog trials;
    private readonly LayerTable table;
    private readonly LayerPredictions predictions;
    private readonly IReadOnlyList<int> probeFeeds;
    private readonly Random random;
    private readonly Dictionary<string, (int[] Choice, double Noise)> made = new(StringComparer.Ordinal);
    private double overhead;

    public SizeSearch(SearchWorkbench bench, TrialLog trials, LayerTable table, SensitivityProbe sensitivity, IReadOnlyList<int> probeFeeds, int seed)
    {
        (this.bench, this.trials, this.table, this.probeFeeds) = (bench, trials, table, probeFeeds);
        predictions = new LayerPredictions(table, sensitivity);
        random = new Random(seed);
    }

    /// <summary>Runs until the trials or the time are used up.</summary>
    public void Run(CancellationToken cancellation)
    {
        Bisect(FirstNoise, null, cancellation);
        while (!trials.IsOver)
        {
            int before = trials.Count;
            if (Incumbent() is not { } best)
            {
                // Not even small errors pass: nothing a mix could still change.
                return;
            }

            if (predictions.Correct(bench, best.Choice, probeFeeds, cancellation)) Bisect(best.Noise, best.Bytes, cancellation);
            Vary(cancellation);
            if (trials.Count == before) return;
        }
    }

    /// <summary>Narrows the noise at which the gates are just passed.</summary>
    private void Bisect(double start, long? mustBeat, CancellationToken cancellation)
    {
        double? passing = null, failing = null;
        double noise = start;
        for (int step = 0; step < 12 && !trials.IsOver; step++)
        {
            var choice = predictions.Allocate(noise);
            bool known = made.ContainsKey(Candidate(choice).Key);
            bool promising = mustBeat is not { } bytes || Estimate(choice) < bytes * WorthwhileRatio;
            // What cannot be smaller than the best need not be run: more noise must be tolerated first.
            bool passed = !promising || Try(choice, noise, cancellation);
            if (passed) passing = Math.Max(passing ?? 0, noise);
            else failing = Math.Min(failing ?? double.PositiveInfinity, noise);
            if (known && promising && passing is not null && failing is not null) return;
            if (passing is { } low && failing is { } high)
            {
                if (high / low < FineEnough) return;
                noise = Math.Sqrt(low * high);
            }
            else if (passed)
            {
                if (predictions.IsLowest(choice)) return;
                noise *= promising ? 2 : 1.15;
            }
            else
            {
                if (noise < 1e-6) return;
                noise /= mustBeat is null ? 4 : 1.5;
            }
        }
    }

    /// <summary>Disturbs the predictions and tries what they then promise, a little below the best size.</summary>
    private void Vary(CancellationToken cancellation)
    {
        for (int i = 0; i < 4 && !trials.IsOver && Incumbent() is { } best; i++)
        {
            var disturbed = predictions.Disturbed(random, 0.35);
            double shrink = i % 2 == 0 ? 0.98 : 0.95;
            if (disturbed.AllocateBytes((best.Bytes * shrink) - overhead) is { } choice) Try(choice, predictions.NoiseOf(choice), cancellation);
        }
    }

    private bool Try(int[] choice, double noise, CancellationToken cancellation)
    {
        var candidate = Candidate(choice);
        var trial = trials.Try(candidate, cancellation);
        made[candidate.Key] = (choice, noise);
        if (trial.Result.Problem is null) overhead = trial.Result.Bytes - predictions.BytesOf(choice);
        return trial.Verdict.Passed;
    }

    private double Estimate(int[] choice) => predictions.BytesOf(choice) + overhead;

    private (int[] Choice, double Noise, long Bytes)? Incumbent() =>
        trials.BestOf(t => made.ContainsKey(t.Candidate.Key)) is { Verdict.Passed: true } best ? (made[best.Candidate.Key].Choice, made[best.Candidate.Key].Noise, best.Result.Bytes) : null;

    private SearchCandidate Candidate(int[] choice) => CandidateMaker.Mix(table.Layers, [.. choice.Select(m => table.Methods[m])]);
}
