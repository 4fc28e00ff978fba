using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Packing;

/// <summary>
/// The run of nodes at one place of a graph that unpacks its weights. Plans emitted into one section share small constants and empty tensors to scatter into, which saves bytes
/// in the file and memory while a session is created.
/// </summary>
public sealed class UnpackingSection
{
    private readonly Dictionary<string, Value> shared = new(StringComparer.Ordinal);
    private readonly Node? first;
    private Node? last;
    private int lastIndex;

    /// <summary>Opens a section.</summary>
    /// <param name="graph">The graph that owns the weights; consumers may be in its subgraphs.</param>
    /// <param name="insertBefore">The nodes go before this one; null = first in the graph.</param>
    /// <exception cref="ArgumentException"><paramref name="insertBefore"/> is not in <paramref name="graph"/>.</exception>
    public UnpackingSection(OnnxGraph graph, Node? insertBefore = null)
    {
        if (insertBefore is not null && insertBefore.Graph != graph) throw new ArgumentException("The node is not in this graph.", nameof(insertBefore));
        Graph = graph;
        first = insertBefore;
    }

    /// <summary>The graph.</summary>
    public OnnxGraph Graph { get; }

    /// <summary>Adds a constant: an initializer, or a <c>Constant</c> node where initializers cannot be added.</summary>
    internal Value AddConstant(string name, Tensor tensor, bool asNode) =>
        asNode ? AddNode("Constant", [], name, NodeAttribute.Of("value", tensor)) : Graph.AddInitializer(name, tensor);

    /// <summary>Adds a single-output node at the end.</summary>
    internal Value AddNode(string opType, IEnumerable<Value?> inputs, string name, params NodeAttribute[] attributes)
    {
        var node = Graph.AddNode(opType, inputs, [name], attributes, index: NextIndex());
        EndAt(node);
        return node.Outputs[0]!;
    }

    internal int NextIndex()
    {
        if (last is null) return first is not null ? Graph.IndexOf(first) : 0;
        // Most often nothing was added or removed in front since.
        if (lastIndex >= Graph.Nodes.Count || Graph.Nodes[lastIndex] != last) lastIndex = Graph.IndexOf(last);
        return lastIndex + 1;
    }

    internal void EndAt(Node node)
    {
        lastIndex = last is null ? 0 : NextIndex();
        last = node;
    }

    internal bool TryGetShared(string? key, out Value? value)
    {
        value = null;
        return key is not null && shared.TryGetValue(key, out value);
    }

    internal void Share(string? key, Value value)
    {
        if (key is not null) shared.Add(key, value);
    }
}
