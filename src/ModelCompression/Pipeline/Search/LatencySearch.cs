using System.Globalization;

namespace ModelCompression.Pipeline.Search;

/// <summary>
/// Looks for the fastest candidate that passes: integer arithmetic where it is supported, with float layers put back in the order of their sensitivity until the metric holds, and channels
/// removed as far as the metric allows.
/// </summary>
internal sealed class LatencySearch(SearchContext context, IReadOnlyList<int> probeFeeds)
{
    private static readonly string[] CalibrationMethods = ["Mse", "Percentile", "Entropy"];

    private int most;

    /// <summary>Runs until the trials or the time are used up.</summary>
    /// <param name="maxTrials">Most trials.</param>
    /// <param name="cancellation">Stops between trials.</param>
    public void Run(int maxTrials, CancellationToken cancellation)
    {
        most = maxTrials == int.MaxValue ? int.MaxValue : context.Trials.Count + maxTrials;
        var bases = new List<SortedDictionary<string, string>> { Settings() };
        if (TryIntegers("Dynamic", cancellation) is { } dynamic) bases.Add(dynamic);
        if (TryIntegers("Static", cancellation) is { } integers) bases.Add(integers);
        foreach (var start in bases.OrderBy(b => b.Count == 0 ? 1 : 0))
            foreach (string criterion in Criteria()) RemoveChannels(start, criterion, cancellation);
    }

    private bool IsOver => context.Trials.IsOver || context.Trials.Count >= most;

    /// <summary>Tries a scheme for the whole model, then with other calibration, then without the layers that suffer most.</summary>
    /// <returns>Its settings when it is valid for this model.</returns>
    private SortedDictionary<string, string>? TryIntegers(string scheme, CancellationToken cancellation)
    {
        var settings = Settings(("Quantization", scheme));
        if (Try(scheme, settings, [], cancellation) is not { } trial) return null;
        if (trial.Verdict.Passed || scheme != "Static") return settings;
        var best = (Trial: trial, Settings: settings);
        foreach (string method in CalibrationMethods)
        {
            var other = Settings(("Quantization", scheme), ("CalibrationMethod", method));
            if (Try($"{scheme}, {method} ranges", other, [], cancellation) is not { } next) continue;
            if (GateJudge.IsBetter(next, best.Trial)) best = (next, other);
            if (next.Verdict.Passed) return other;
        }

        if (!IsOver) PutBack(best.Settings, cancellation);
        return best.Settings;
    }

    /// <summary>Leaves the most sensitive layers in float: as few as the gates allow, by bisection over their number.</summary>
    private void PutBack(SortedDictionary<string, string> settings, CancellationToken cancellation)
    {
        var layers = context.Layers;
        if (layers.Count < 2) return;
        var noise = new double[layers.Count];
        for (int l = 0; l < noise.Length; l++)
        {
            var others = new CandidateRule([.. layers.Where((_, i) => i != l).SelectMany(x => x.Nodes)], Settings(("Quantization", "WeightOnly")));
            noise[l] = context.Bench.Probe(new SearchCandidate("one layer", settings, [others]), probeFeeds, cancellation).OutputNoise ?? double.PositiveInfinity;
        }

        int[] order = [.. Enumerable.Range(0, noise.Length).OrderByDescending(l => noise[l]).ThenBy(l => l)];
        int failing = 0, passing = layers.Count;
        while (passing - failing > 1 && !IsOver)
        {
            int count = (failing + passing) / 2;
            var floats = order.Take(count).SelectMany(l => layers[l].Nodes).ToArray();
            var trial = Try(string.Create(CultureInfo.InvariantCulture, $"{settings["Quantization"]} but for {count} layers"), settings, [new CandidateRule(floats, Settings(("Quantization", "WeightOnly")))], cancellation);
            if (trial?.Verdict.Passed == true) passing = count;
            else failing = count;
        }
    }

    /// <summary>Removes more and more channels, then bisects between what passed and what failed.</summary>
    private void RemoveChannels(SortedDictionary<string, string> start, string criterion, CancellationToken cancellation)
    {
        double passing = 0, failing = 1;
        double sparsity = 0.25;
        while (failing - passing > 0.07 && !IsOver)
        {
            var settings = Settings([.. start.Concat(Recovery.ChannelSettings(Math.Round(sparsity, 3), criterion)).Select(s => (s.Key, s.Value))]);
            if (context.Options.TrainingData.Count > 0 && context.Options.FineTuneEpochs == 0) settings["FineTuneEpochs"] = "2";
            string name = string.Create(CultureInfo.InvariantCulture, $"{100 * sparsity:0} % of the channels removed by {criterion}{(start.Count == 0 ? "" : ", " + start["Quantization"])}");
            if (Try(name, settings, [], cancellation) is not { } trial || trial.Result.Problem is not null) return;
            if (trial.Verdict.Validation is not null && MetricHolds(trial)) passing = sparsity;
            else failing = sparsity;
            sparsity = (passing + failing) / 2;
        }
    }

    private IEnumerable<string> Criteria() => context.Options.TrainingData.Count > 0 ? ["Taylor"] : ["Magnitude"];

    private static bool MetricHolds(Trial trial) => trial.Verdict.Gates.All(g => g.Passed || g.Name is "MaxLatencyRatio" or "MaxSize");

    /// <summary>Tries a candidate unless it contradicts what the user set.</summary>
    private Trial? Try(string name, SortedDictionary<string, string> settings, IReadOnlyList<CandidateRule> rules, CancellationToken cancellation)
    {
        var candidate = new SearchCandidate(name, settings, rules);
        return IsOver || !context.Bench.IsValid(candidate) ? null : context.Trials.Try(candidate, cancellation);
    }

    private static SortedDictionary<string, string> Settings(params (string Name, string Value)[] settings) => new(settings.ToDictionary(s => s.Name, s => s.Value), StringComparer.Ordinal);
}
