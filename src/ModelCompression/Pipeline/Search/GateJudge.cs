using ModelCompression.Options;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Search;

/// <summary>Holds results against the gates, and decides which of two candidates is better.</summary>
/// <param name="options">Options with the gates; a search has at least one on the metric.</param>
/// <param name="metric">Metric, and what the original reaches.</param>
/// <param name="originalBytes">Bytes of the original.</param>
internal sealed class GateJudge(CompressionOptions options, JudgedMetric metric, long originalBytes)
{
    private const double TypicalScoreNoise = 0.03;

    /// <summary>The gates' options.</summary>
    public CompressionOptions Options => options;

    /// <summary>Samples by fold.</summary>
    public IReadOnlyList<long> FoldWeights => metric.Weights;

    /// <summary>Output noise at which the gate on the metric may just be passed: where to start.</summary>
    public double ExpectedNoise => metric.BuiltIn switch
    {
        Metric.Sqnr when options.MinMetric is { } least => Math.Pow(10, -least / 10) * 0.8,
        Metric.Cosine when options.MaxMetricDrop is { } drop and > 0 => 1.6 * drop,
        Metric.Cosine when options.MinMetric is { } least and < 1 => 1.6 * (1 - least),
        Metric.Top1 or Metric.Top5 when options.MaxMetricDrop is { } drop => TypicalScoreNoise * Math.Clamp(drop / 0.01, 0.1, 3),
        _ => TypicalScoreNoise,
    };

    /// <summary>Judges a result on all folds.</summary>
    public Verdict Judge(TrialResult result) => Judge(result, _ => true);

    /// <summary>Judges a result on some folds.</summary>
    public Verdict Judge(TrialResult result, Func<int, bool> useFold)
    {
        if (result.Problem is not null || result.OutputNoise is null) return new(null, [], false, double.PositiveInfinity, double.PositiveInfinity);
        var validation = Validation(result, useFold);
        var latency = result.LatencyRatio is { } ratio ? new LatencyFigures(0, 0, ratio, 0) : null;
        var gates = Gates.Evaluate(options, new ModelFigures { Bytes = originalBytes }, new ModelFigures { Bytes = result.Bytes }, validation, latency);
        double cost = options.Objective == SearchObjective.Latency ? result.LatencyRatio ?? double.PositiveInfinity : result.Bytes;
        return new(validation, gates, gates.All(g => g.Passed), gates.Where(g => !g.Passed).Sum(Excess), cost);
    }

    /// <summary>Loss of the metric on one fold; null when it is not finite.</summary>
    public double? Drop(TrialResult result, int fold) => Validation(result, f => f == fold).Drop;

    /// <summary>True if <paramref name="a"/> is to be preferred: passing before failing, then the lower cost, then the better metric, then fewer bytes.</summary>
    public static bool IsBetter(Trial a, Trial b)
    {
        if (a.Verdict.Passed != b.Verdict.Passed) return a.Verdict.Passed;
        if (!a.Verdict.Passed && a.Verdict.Excess != b.Verdict.Excess) return a.Verdict.Excess < b.Verdict.Excess;
        if (a.Verdict.Cost != b.Verdict.Cost) return a.Verdict.Cost < b.Verdict.Cost;
        double dropA = a.Verdict.Validation?.Drop ?? double.PositiveInfinity, dropB = b.Verdict.Validation?.Drop ?? double.PositiveInfinity;
        return dropA != dropB ? dropA < dropB : string.CompareOrdinal(a.Candidate.Key, b.Candidate.Key) < 0;
    }

    private static double Excess(GateFigures gate) => gate.Actual is { } actual ? Math.Abs(actual - gate.Limit) / Math.Max(Math.Abs(gate.Limit), 1e-9) : 1e9;

    private ValidationFigures Validation(TrialResult result, Func<int, bool> useFold)
    {
        double? before = Mean(metric.Original, useFold), after = Mean(result.Metric, useFold);
        double? drop = before is null && after is null ? 0 : before is null || after is null ? null : metric.LowerIsBetter ? after - before : before - after;
        return new() { Metric = metric.Name, Samples = metric.Samples ?? (int)metric.Weights.Where((_, f) => useFold(f)).Sum(), Original = before, Compressed = after, Drop = drop, LowerIsBetter = metric.LowerIsBetter };
    }

    private double? Mean(double?[] folds, Func<int, bool> useFold)
    {
        double sum = 0;
        long count = 0;
        for (int f = 0; f < folds.Length; f++)
        {
            if (!useFold(f) || metric.Weights[f] == 0) continue;
            if (folds[f] is not { } value) return null;
            sum += value * metric.Weights[f];
            count += metric.Weights[f];
        }

        return count == 0 ? null : sum / count;
    }
}
