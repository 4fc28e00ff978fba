using ModelCompression.Runtime.Fidelity;

namespace ModelCompression.Runtime.Evaluation;

/// <summary>What one feed says about a compressed model.</summary>
/// <param name="Sums">Contribution to the metric.</param>
/// <param name="Distance">Distance of the float outputs from the original's.</param>
/// <param name="Distortion">What of the change may matter to the metric, summed over the samples of the feed; NaN when it is not finite.</param>
/// <param name="Rows">Samples that <paramref name="Distortion"/> is the sum of.</param>
internal sealed record FeedFigures(MetricSums Sums, OutputDistance Distance, double Distortion, double Rows);
