using ModelCompression.Reports;

namespace ModelCompression.Pipeline.Search;

/// <summary>What a search found.</summary>
/// <param name="Request">The request with the chosen settings, without a search.</param>
/// <param name="Figures">For the report.</param>
/// <param name="Trials">For the report.</param>
internal sealed record SearchOutcome(CompressionRequest Request, SearchFigures Figures, IReadOnlyList<TrialFigures> Trials);
