using ModelCompression.Options;
using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Search;

/// <summary>What a search found.</summary>
/// <param name="Request">The request with the chosen settings, without a search.</param>
/// <param name="Figures">For the report.</param>
/// <param name="Trials">For the report; null when there was no search.</param>
internal sealed record SearchOutcome(CompressionRequest Request, SearchFigures Figures, IReadOnlyList<TrialFigures>? Trials)
{
    /// <summary>The outcome of an earlier search with the same inputs.</summary>
    public static SearchOutcome Locked(CompressionRequest request, CompressionOptions options, ChosenSettings chosen) => new(
        RequestFor(SearchCandidate.Of(chosen), request, options),
        new SearchFigures { Objective = options.Objective.ToString(), Chosen = chosen, Ended = "taken from the lock file" },
        Trials: null);

    /// <summary>The request that makes a candidate; the latency it was chosen by is measured again for the report.</summary>
    public static CompressionRequest RequestFor(SearchCandidate candidate, CompressionRequest request, CompressionOptions options) =>
        candidate.ApplyTo(request) with { MeasureLatency = request.MeasureLatency || options.Objective == SearchObjective.Latency };
}
