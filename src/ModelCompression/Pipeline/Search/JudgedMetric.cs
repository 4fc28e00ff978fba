using ModelCompression.Options;

namespace ModelCompression.Pipeline.Search;

/// <summary>What trials are judged by, and what the original reaches.</summary>
/// <param name="Name">As reports call it.</param>
/// <param name="BuiltIn">The built-in metric; null for that of a program.</param>
/// <param name="LowerIsBetter">True for errors.</param>
/// <param name="Original">Metric of the original by fold.</param>
/// <param name="Weights">Samples by fold; a program's metric has one fold of weight 1.</param>
internal sealed record JudgedMetric(string Name, Metric? BuiltIn, bool LowerIsBetter, double?[] Original, long[] Weights)
{
    /// <summary>Samples as reports count them.</summary>
    public int? Samples { get; init; }

    /// <summary>A built-in metric.</summary>
    public static JudgedMetric Of(Metric metric, double?[] original, long[] weights) => new(metric.ToString(), metric, metric is Metric.Mse or Metric.Mae, original, weights);

    /// <summary>The metric of the user's program.</summary>
    public static JudgedMetric Of(MetricAnswer original) => new(original.Name, null, original.LowerIsBetter, [original.Metric], [1]) { Samples = original.Samples };
}
