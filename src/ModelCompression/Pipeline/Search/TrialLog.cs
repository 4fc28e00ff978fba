namespace ModelCompression.Pipeline.Search;

/// <summary>Trials of one search, within its budget; the best so far is always known.</summary>
/// <param name="bench">Measures.</param>
/// <param name="judge">Judges.</param>
/// <param name="maxTrials">Most trials.</param>
/// <param name="clock">Time limit.</param>
/// <param name="tell">Told of each trial.</param>
/// <param name="unlimited">Cancels the first trial, which no time limit ends: there is always something to choose.</param>
internal sealed class TrialLog(SearchWorkbench bench, GateJudge judge, int maxTrials, SearchClock clock, Action<Trial, int> tell, CancellationToken unlimited)
{
    private readonly List<Trial> trials = [];
    private readonly Dictionary<string, Trial> known = new(StringComparer.Ordinal);

    /// <summary>Trials in order.</summary>
    public IReadOnlyList<Trial> Trials => trials;

    /// <summary>Number of trials.</summary>
    public int Count => trials.Count;

    /// <summary>Trials that are left.</summary>
    public int Left => maxTrials - trials.Count;

    /// <summary>True when trials or time are used up.</summary>
    public bool IsOver => trials.Count >= maxTrials || IsLate;

    /// <summary>True when the time is used up.</summary>
    public bool IsLate => trials.Count > 0 && clock.IsLate;

    /// <summary>Judges.</summary>
    public GateJudge Judge => judge;

    /// <summary>Measures a candidate; one that was tried before costs nothing.</summary>
    /// <exception cref="OperationCanceledException">Cancelled, or the time was used up within the trial, which then does not count.</exception>
    public Trial Try(SearchCandidate candidate, CancellationToken cancellation)
    {
        if (known.TryGetValue(candidate.Key, out var before)) return before;
        var result = bench.Measure(candidate, trials.Count == 0 ? unlimited : cancellation);
        var trial = new Trial(candidate, result, judge.Judge(result));
        trials.Add(trial);
        known.Add(candidate.Key, trial);
        tell(trial, trials.Count);
        return trial;
    }

    /// <summary>The best of some trials; null when there is none.</summary>
    public Trial? BestOf(Func<Trial, bool> which)
    {
        Trial? best = null;
        foreach (var trial in trials)
            if (which(trial) && (best is null || GateJudge.IsBetter(trial, best))) best = trial;
        return best;
    }
}
