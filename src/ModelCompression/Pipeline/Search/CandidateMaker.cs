using System.Globalization;

namespace ModelCompression.Pipeline.Search;

/// <summary>Turns a choice of methods into metadata.</summary>
internal static class CandidateMaker
{
    /// <summary>One rule per method, in the order of the first layer that has it.</summary>
    /// <param name="layers">Layers.</param>
    /// <param name="methods">Method of each.</param>
    public static SearchCandidate Mix(IReadOnlyList<SearchLayer> layers, IReadOnlyList<LayerMethod> methods)
    {
        var groups = Enumerable.Range(0, layers.Count).GroupBy(l => methods[l]).ToArray();
        var rules = groups.Select(g => new CandidateRule([.. g.SelectMany(l => layers[l].Nodes)], g.Key.Settings)).ToArray();
        var largest = groups.OrderByDescending(g => g.Sum(l => layers[l].ByteLength)).First();
        string name = groups.Length == 1 ? largest.Key.Label : string.Create(CultureInfo.InvariantCulture, $"mix of {groups.Length} methods, mostly {largest.Key.Label}");
        return new SearchCandidate(name, new(StringComparer.Ordinal), rules);
    }
}
