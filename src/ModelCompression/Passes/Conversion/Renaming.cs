using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Conversion;

/// <summary>Exchanges a node for one of another operator.</summary>
internal static class Renaming
{
    /// <summary>Gives an operator its new name.</summary>
    public static void Convert(Node node, string opType) => Replace(node, opType, node.Inputs, node.Attributes);

    /// <summary>Exchanges a node; the output keeps its name where it is the model's.</summary>
    public static void Replace(Node node, string opType, IEnumerable<Value?> inputs, IEnumerable<NodeAttribute> attributes)
    {
        var graph = node.Graph!;
        var output = node.Outputs[0]!;
        var replacement = graph.AddNode(opType, [.. inputs], [output.Name], [.. attributes], "", node.Name, graph.IndexOf(node)).Outputs[0]!;
        replacement.Type = output.Type;
        output.ReplaceAllUsesWith(replacement);
        graph.RemoveNode(node);
    }
}
