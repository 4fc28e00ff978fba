using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Dynamic;

/// <summary>Adds nodes in front of one that they will replace; names derive from its first output's that is not left out.</summary>
internal readonly struct NodeInserter(Node node)
{
    private readonly OnnxGraph graph = node.Graph!;
    private readonly string prefix = node.Outputs.OfType<Value>().First().Name;

    /// <summary>Adds a node with one output.</summary>
    public Value Add(string opType, IEnumerable<Value?> inputs, string suffix, params NodeAttribute[] attributes) =>
        graph.AddNode(opType, inputs, [$"{prefix}_{suffix}"], attributes, index: graph.IndexOf(node)).Outputs[0]!;

    /// <summary>Adds the node that takes over the replaced one's name.</summary>
    public Value Named(string opType, IEnumerable<Value?> inputs, string name, string domain = "", params NodeAttribute[] attributes) =>
        graph.AddNode(opType, inputs, [prefix + "_i"], attributes, domain, name, graph.IndexOf(node)).Outputs[0]!;
}
