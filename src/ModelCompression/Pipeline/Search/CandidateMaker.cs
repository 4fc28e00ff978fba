using System.Globalization;

namespace ModelCompression.Pipeline.Search;

/// <summary>Turns a choice of methods into metadata.</summary>
internal static class CandidateMaker
{
    /// <summary>One rule per method, in the order of the first layer that has it.</summary>
    /// <param name="layers">Layers.</param>
    /// <param name="methods">Method of each.</param>
    /// <param name="recovery">What the whole model gets.</param>
    public static SearchCandidate Mix(IReadOnlyList<SearchLayer> layers, IReadOnlyList<LayerMethod> methods, Recovery recovery)
    {
        var groups = Enumerable.Range(0, layers.Count).GroupBy(l => methods[l]).ToArray();
        var rules = groups.Select(g => new CandidateRule([.. g.SelectMany(l => layers[l].Nodes)], Merged(g.Key.Settings, g.Key.IsRounded ? recovery.Layer : []))).ToArray();
        var largest = groups.OrderByDescending(g => g.Sum(l => layers[l].ByteLength)).First();
        string name = groups.Length == 1 ? largest.Key.Label : string.Create(CultureInfo.InvariantCulture, $"mix of {groups.Length} methods, mostly {largest.Key.Label}");
        return new SearchCandidate(recovery.Label.Length == 0 ? name : $"{name}, {recovery.Label}", recovery.Item, rules);
    }

    /// <summary>One method for all layers.</summary>
    public static SearchCandidate Uniform(IReadOnlyList<SearchLayer> layers, LayerMethod method) => Mix(layers, [.. layers.Select(_ => method)], Recovery.None);

    private static SortedDictionary<string, string> Merged(SortedDictionary<string, string> a, SortedDictionary<string, string> b) =>
        b.Count == 0 ? a : new(a.Concat(b).ToDictionary(), StringComparer.Ordinal);
}
