using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.BiasCorrection;

/// <summary>How many layers lie on the longest way to a value.</summary>
internal sealed class LayerDepths
{
    private readonly Dictionary<Value, int> depths = new(ReferenceEqualityComparer.Instance);

    /// <summary>Walks a graph once.</summary>
    /// <param name="graph">The graph, in topological order.</param>
    /// <param name="isLayer">Which nodes count.</param>
    public LayerDepths(OnnxGraph graph, Func<Node, bool> isLayer)
    {
        foreach (var node in graph.Nodes)
        {
            int depth = Largest(node) + (isLayer(node) ? 1 : 0);
            foreach (var output in node.Outputs)
                if (output is not null) depths[output] = depth;
        }
    }

    /// <summary>The depth of what a node computes.</summary>
    public int Of(Node node) => depths.GetValueOrDefault(node.Output()!);

    private int Largest(Node node)
    {
        int depth = 0;
        foreach (var input in node.Inputs)
            if (input is not null) depth = Math.Max(depth, depths.GetValueOrDefault(input));
        foreach (var inner in node.Subgraphs.SelectMany(g => g.Nodes)) depth = Math.Max(depth, Largest(inner));
        return depth;
    }
}
