using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis;

/// <summary>Which values are computed from which.</summary>
internal static class Dependencies
{
    /// <summary>True if <paramref name="value"/> is computed from <paramref name="source"/>, or is the same; what subgraphs of nodes read counts, too.</summary>
    /// <param name="value">Where to start, against the direction of the graph.</param>
    /// <param name="source">The value looked for.</param>
    /// <param name="isBetween">Nodes behind which it may be found, or null for all.</param>
    public static bool IsMadeFrom(Value value, Value source, Func<Node, bool>? isBetween = null)
    {
        var seen = new HashSet<Node>();
        var open = new Stack<Value>([value]);
        while (open.TryPop(out var next))
        {
            if (next == source) return true;
            if (next.Producer is not { } node || isBetween?.Invoke(node) == false || !seen.Add(node)) continue;
            foreach (var input in node.Inputs)
                if (input is not null) open.Push(input);
            foreach (var inner in node.Subgraphs.SelectMany(g => g.SelfAndSubgraphs()).SelectMany(g => g.Nodes.SelectMany(n => n.Inputs).Concat(g.Outputs)))
                if (inner is not null) open.Push(inner);
        }

        return false;
    }
}
