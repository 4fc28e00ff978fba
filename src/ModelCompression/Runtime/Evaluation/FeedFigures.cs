using ModelCompression.Runtime.Fidelity;

namespace ModelCompression.Runtime.Evaluation;

/// <summary>What one feed says about a compressed model.</summary>
/// <param name="Sums">Contribution to the metric.</param>
/// <param name="Distance">Distance of the float outputs from the original's.</param>
internal sealed record FeedFigures(MetricSums Sums, OutputDistance Distance);
