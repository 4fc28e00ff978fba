using ModelCompression.Options;

namespace ModelCompression.Pipeline.Search;

/// <summary>What a way of searching has to work with.</summary>
/// <param name="Bench">Makes and measures candidates.</param>
/// <param name="Trials">Counts and judges them.</param>
/// <param name="Layers">Layers whose methods are free.</param>
/// <param name="Methods">Methods to choose from.</param>
/// <param name="Options">Options with the gates.</param>
internal sealed record SearchContext(SearchWorkbench Bench, TrialLog Trials, IReadOnlyList<SearchLayer> Layers, IReadOnlyList<LayerMethod> Methods, CompressionOptions Options);
