using ModelCompression.Options;

namespace ModelCompression.Runtime.Evaluation;

/// <summary>What the values of a metric were compared with.</summary>
public enum MetricReference
{
    /// <summary>Class labels.</summary>
    Labels,

    /// <summary>Expected outputs in the data.</summary>
    ExpectedOutputs,

    /// <summary>The original model's outputs, so that the original itself is perfect by definition.</summary>
    OriginalOutputs,
}

/// <summary>The original and the compressed model judged on the same samples.</summary>
/// <param name="Metric">Metric.</param>
/// <param name="Reference">What outputs were compared with.</param>
/// <param name="Samples">Samples, padding not counted.</param>
/// <param name="Original">Value of the original; +∞ for <see cref="Metric.Sqnr"/> against its own outputs.</param>
/// <param name="Compressed">Value of the compressed model.</param>
public sealed record EvaluationResult(Metric Metric, MetricReference Reference, long Samples, double Original, double Compressed)
{
    /// <summary>Label and predicted classes of every sample with a label; empty when the metric needs none. A prediction is −1 where no score is a number.</summary>
    public IReadOnlyList<(long Label, int Original, int Compressed)> Predictions { get; init; } = [];

    /// <summary>Classes that the model tells apart; 0 when unknown.</summary>
    public int ClassCount { get; init; }

    /// <summary>How much worse the compressed model is, in the metric's unit; negative when it is better.</summary>
    /// <remarks>Compressed less original for errors (Mse, Mae), original less compressed for the rest; 0 when both are equal, infinite ones included.</remarks>
    public double Drop => Original.Equals(Compressed) ? 0 : Metric is Metric.Mse or Metric.Mae ? Compressed - Original : Original - Compressed;
}
