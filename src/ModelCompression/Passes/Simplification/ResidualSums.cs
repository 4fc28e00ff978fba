using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Simplification;

/// <summary>Finds sums of a value and of what a few nodes make from it.</summary>
internal sealed class ResidualSums
{
    private readonly Dictionary<Node, int> positions = new(ReferenceEqualityComparer.Instance);

    /// <summary>Notes the order of a graph's nodes.</summary>
    public ResidualSums(OnnxGraph graph)
    {
        foreach (var node in graph.Nodes) positions.Add(node, positions.Count);
    }

    /// <summary>True if one summand is computed from the other.</summary>
    public bool Has(Node sum) => IsMadeFrom(sum.Inputs[0]!, sum.Inputs[1]!) || IsMadeFrom(sum.Inputs[1]!, sum.Inputs[0]!);

    /// <summary>Looks at the nodes between the two, in the order of the graph.</summary>
    private bool IsMadeFrom(Value value, Value source)
    {
        int first = source.Producer is { } producer ? positions[producer] : -1;
        var seen = new HashSet<Node>(ReferenceEqualityComparer.Instance);
        var open = new Stack<Value>([value]);
        while (open.TryPop(out var next))
        {
            if (next == source) return true;
            if (next.Producer is not { } node || !positions.TryGetValue(node, out int position) || position < first || !seen.Add(node)) continue;
            foreach (var input in node.Inputs)
                if (input is not null) open.Push(input);
        }

        return false;
    }
}
