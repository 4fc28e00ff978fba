namespace ModelCompression.Pipeline.Search;

/// <summary>
/// Looks for the smallest passing mix of methods. Sensitivities predict the output noise of every mix; for each tolerated noise the smallest mix is found without running
/// anything; trials find the noise at which the gates are just passed, by bisection; then the predictions are corrected around the best mix and the next trials start from there.
/// </summary>
/// <remarks>docs/search.md explains and cites.</remarks>
internal sealed class SizeSearch
{
    /// <summary>Ratio of failing to passing noise at which bisection stops: 0.3 dB.</summary>
    private const double FineEnough = 1.07;

    /// <summary>A trial must promise at least this.</summary>
    private const double WorthwhileRatio = 0.99;

    private const int MostSteps = 12;
    private const int VaryAttempts = 40;
    private const int VaryTrials = 3;
    private const double LeastNoise = 1e-7;

    private static readonly double[] Shrinks = [0.985, 0.97, 0.95];
    private static readonly double[] NearThreshold = [1, 0.85, 1.15];

    private readonly SearchWorkbench bench;
    private readonly TrialLog trials;
    private readonly LayerTable table;
    private readonly LayerPredictions predictions;
    private readonly IReadOnlyList<int> probeFeeds;
    private readonly Random random;
    private readonly double firstNoise;
    private readonly Dictionary<string, Mix> made = new(StringComparer.Ordinal);
    private double overhead;
    private double? passing;
    private double? failing;

    public SizeSearch(SearchWorkbench bench, TrialLog trials, LayerTable table, SensitivityProbe sensitivity, IReadOnlyList<int> probeFeeds, int seed)
    {
        (this.bench, this.trials, this.table, this.probeFeeds) = (bench, trials, table, probeFeeds);
        predictions = new LayerPredictions(table, sensitivity);
        random = new Random(seed);
        firstNoise = trials.Judge.ExpectedNoise;
    }

    /// <summary>Runs until the trials or the time are used up.</summary>
    public void Run(CancellationToken cancellation)
    {
        int total = trials.Left, first = trials.Count;
        var recoveries = Recovery.For(trials.Judge.Options, bench.CanRefit).Where(r => IsAllowed(r)).ToArray();
        Bisect(cancellation);
        Refine(first + Math.Max(total / 2, total - (recoveries.Length * Recovery.Trials)), cancellation);
        foreach (var recovery in recoveries) Walk(recovery, cancellation);
        Refine(int.MaxValue, cancellation);
    }

    /// <summary>Finds the noise at which the gates are just passed.</summary>
    private void Bisect(CancellationToken cancellation)
    {
        double noise = firstNoise;
        for (int step = 0; step < MostSteps && !trials.IsOver; step++)
        {
            var choice = predictions.Allocate(noise);
            if (made.ContainsKey(Candidate(choice, Recovery.None).Key)) return;
            var trial = Try(choice, noise, Recovery.None, cancellation);
            if (trial.Verdict.MetricHolds && predictions.IsLowest(choice)) return;
            if (passing is { } low && failing is { } high)
            {
                if (high / low < FineEnough) return;
                noise = Math.Sqrt(low * high);
            }
            else noise = trial.Verdict.MetricHolds ? noise * 2 : noise / 4;
            if (noise < LeastNoise) return;
        }
    }

    /// <summary>Corrects the predictions around the best mix and looks for smaller ones with the noise that just passes, until there are this many trials.</summary>
    private void Refine(int until, CancellationToken cancellation)
    {
        while (!trials.IsOver && trials.Count < until)
        {
            int before = trials.Count;
            // When not even small errors pass, there is nothing a mix could still change.
            if (Incumbent() is not { } best) return;
            if (best.Recovery == Recovery.None)
            {
                predictions.Correct(bench, best.Choice, probeFeeds, cancellation);
                foreach (double factor in NearThreshold)
                    if (!trials.IsOver && TrySmaller(Threshold * factor, best, cancellation) is { Verdict.MetricHolds: true }) break;
            }

            if (Incumbent() == best) Vary(cancellation);
            if (trials.Count == before) return;
        }
    }

    /// <summary>Tries the mix for a noise if it is new and promises fewer bytes.</summary>
    private Trial? TrySmaller(double noise, Mix best, CancellationToken cancellation)
    {
        var choice = predictions.Allocate(noise);
        return predictions.BytesOf(choice) + overhead < best.Bytes * WorthwhileRatio && !made.ContainsKey(Candidate(choice, Recovery.None).Key) ? Try(choice, noise, Recovery.None, cancellation) : null;
    }

    /// <summary>Output noise between what passes and what fails; the two may overlap.</summary>
    private double Threshold => passing is { } low ? failing is { } high ? Math.Sqrt(low * high) : 2 * low : failing / 2 ?? firstNoise;

    /// <summary>Disturbs the predictions, and tries those of the mixes which they prefer a little below the best size that lose least by the undisturbed ones.</summary>
    private void Vary(CancellationToken cancellation)
    {
        if (Incumbent() is not { } best) return;
        var found = new Dictionary<string, int[]>(StringComparer.Ordinal);
        for (int attempt = 0; attempt < VaryAttempts; attempt++)
        {
            var disturbed = predictions.Disturbed(random, 0.15 + (0.6 * attempt / VaryAttempts));
            double shrink = Shrinks[attempt % Shrinks.Length];
            if (disturbed.AllocateBytes((predictions.BytesOf(best.Choice) * shrink) - ((1 - shrink) * overhead)) is { } choice && Candidate(choice, best.Recovery) is var candidate && !made.ContainsKey(candidate.Key))
                found.TryAdd(candidate.Key, choice);
        }

        foreach (int[] choice in found.Values.OrderBy(predictions.NoiseOf).Take(VaryTrials).ToArray())
            if (!trials.IsOver && Try(choice, predictions.NoiseOf(choice), best.Recovery, cancellation).Verdict.MetricHolds) return;
    }

    /// <summary>
    /// Tries a recovery on smaller and smaller mixes, starting at the best one: in steps of a quarter while they pass, then between what passed and what failed.
    /// </summary>
    private void Walk(Recovery recovery, CancellationToken cancellation)
    {
        if (Incumbent() is not { } best) return;
        var usable = recovery.DenseOnly ? predictions.DenseOnly() : predictions;
        double passed = recovery.DenseOnly ? double.NaN : predictions.BytesOf(best.Choice), failed = double.NaN;
        double bytes = recovery.DenseOnly ? 1.3 * predictions.BytesOf(best.Choice) : 0.85 * passed;
        for (int step = 0; step < Recovery.Trials && !trials.IsOver; step++)
        {
            if (usable.AllocateBytes(bytes) is not { } choice) return;
            if (Try(choice, predictions.NoiseOf(choice), recovery, cancellation).Verdict.MetricHolds) passed = bytes;
            else failed = bytes;
            // A recovery that does not help where it starts will not help later.
            if (step == 1 && (double.IsNaN(passed) || (!recovery.DenseOnly && passed >= predictions.BytesOf(best.Choice)))) return;
            bytes = double.IsNaN(failed) ? 0.75 * bytes : double.IsNaN(passed) ? 1.2 * bytes : Math.Sqrt(passed * failed);
        }
    }

    private bool IsAllowed(Recovery recovery) => table.Methods.Count > 0 && bench.IsValid(CandidateMaker.Mix(table.Layers, [.. table.Layers.Select(_ => table.Methods[0])], recovery));

    private Trial Try(int[] choice, double noise, Recovery recovery, CancellationToken cancellation)
    {
        var candidate = Candidate(choice, recovery);
        var trial = trials.Try(candidate, cancellation);
        made[candidate.Key] = new(choice, noise, recovery, trial.Result.Bytes);
        if (trial.Result.Problem is not null || recovery != Recovery.None) return trial;
        overhead = trial.Result.Bytes - predictions.BytesOf(choice);
        double measured = trial.Result.OutputNoise ?? 4 * noise;
        predictions.Learn(choice, measured);
        if (trial.Verdict.MetricHolds) passing = Math.Max(passing ?? 0, measured);
        else failing = Math.Min(failing ?? double.PositiveInfinity, measured);
        return trial;
    }

    private Mix? Incumbent() => trials.BestOf(t => t.Verdict.MetricHolds && made.ContainsKey(t.Candidate.Key)) is { } best ? made[best.Candidate.Key] : null;

    private SearchCandidate Candidate(int[] choice, Recovery recovery)
    {
        var candidate = CandidateMaker.Mix(table.Layers, [.. choice.Select(m => table.Methods[m])], recovery);
        return bench.AvoidsRefit && !recovery.Refits ? bench.WithoutRefit(candidate) : candidate;
    }

    private sealed record Mix(int[] Choice, double Noise, Recovery Recovery, long Bytes);
}
