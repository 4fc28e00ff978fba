using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Search;

/// <summary>A candidate that was measured and judged.</summary>
/// <param name="Candidate">It.</param>
/// <param name="Result">What it came to.</param>
/// <param name="Verdict">What the gates say.</param>
internal sealed record Trial(SearchCandidate Candidate, TrialResult Result, Verdict Verdict);

/// <summary>What the gates say of a candidate.</summary>
/// <param name="Validation">Metric over all folds; null when there is none.</param>
/// <param name="Gates">Gates that are set.</param>
/// <param name="Passed">True if all are passed.</param>
/// <param name="Excess">How far it is from passing, relative to the limits; 0 when passed.</param>
/// <param name="Cost">What the search minimises.</param>
internal sealed record Verdict(ValidationFigures? Validation, IReadOnlyList<GateFigures> Gates, bool Passed, double Excess, double Cost)
{
    /// <summary>True if the gates on the metric and the latency are passed: what is still missing is bytes.</summary>
    public bool MetricHolds => Validation is not null && Gates.All(g => g.Passed || g.Name == "MaxSize");
}
