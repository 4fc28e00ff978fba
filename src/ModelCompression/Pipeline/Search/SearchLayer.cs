using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Passes.Pruning.Refitting;

namespace ModelCompression.Pipeline.Search;

/// <summary>Weights that get the same method, because one node reads them or one weight has several readers.</summary>
/// <param name="Nodes">Names of all nodes that read them, as rules call them.</param>
/// <param name="Weights">Names of the weights.</param>
/// <param name="ByteLength">Bytes of the weights.</param>
internal sealed record SearchLayer(IReadOnlyList<string> Nodes, IReadOnlyList<string> Weights, long ByteLength)
{
    /// <summary>Multiplications that refitting the weights takes when half of them are removed: a system of equations per output.</summary>
    public double RefitProducts { get; init; }

    /// <summary>Finds the layers of a cleaned-up model, in graph order.</summary>
    /// <param name="model">The model.</param>
    /// <param name="isFree">False for nodes whose settings are not the search's to choose.</param>
    public static IReadOnlyList<SearchLayer> Of(Model model, Func<Node, bool> isFree)
    {
        var sites = WeightCatalog.Of(model).Weights;
        int[] group = [.. Enumerable.Range(0, sites.Count)];
        var owner = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < sites.Count; i++)
            foreach (var use in sites[i].Uses)
                if (!owner.TryAdd(use.Operator.DisplayName, i)) Merge(group, Root(group, owner[use.Operator.DisplayName]), Root(group, i));
        return [.. Enumerable.Range(0, sites.Count).GroupBy(i => Root(group, i)).OrderBy(g => g.Min()).Select(g => Make([.. g.Select(i => sites[i])], isFree)).OfType<SearchLayer>()];
    }

    private static SearchLayer? Make(IReadOnlyList<WeightSite> sites, Func<Node, bool> isFree)
    {
        var nodes = sites.SelectMany(s => s.Uses).Select(u => u.Operator).ToArray();
        // A name with a separator or a wildcard cannot be written in a rule.
        return nodes.All(n => isFree(n) && !n.DisplayName.AsSpan().ContainsAny(";*") && n.DisplayName.Trim() == n.DisplayName)
            ? new([.. nodes.Select(n => n.DisplayName).Distinct(StringComparer.Ordinal)], [.. sites.Select(s => s.Value.Name)], sites.Sum(s => s.Tensor.ByteLength)) { RefitProducts = sites.Sum(RefitProductsOf) }
            : null;
    }

    private static double RefitProductsOf(WeightSite site)
    {
        if (site.Uses is not [{ Node: var node }] || LinearSite.TryCreate(node) is not { } linear || linear.Weight != site.Value || new RefitTarget(linear, null, true, true) is not { IsAffordable: true, Matrix: var matrix }) return 0;
        double kept = matrix.Inputs / 2.0;
        return matrix.Outputs * kept * kept * kept / 3;
    }

    private static int Root(int[] group, int i)
    {
        while (group[i] != i) i = group[i];
        return i;
    }

    private static void Merge(int[] group, int a, int b) => group[Math.Max(a, b)] = Math.Min(a, b);
}
