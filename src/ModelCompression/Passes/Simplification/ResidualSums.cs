using ModelCompression.Analysis;
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
        return Dependencies.IsMadeFrom(value, source, node => positions.TryGetValue(node, out int position) && position >= first);
    }
}
