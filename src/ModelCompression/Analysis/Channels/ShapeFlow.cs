using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels;

/// <summary>Follows sizes that a <c>Shape</c> node has read to the operators that take them as a target shape.</summary>
internal static class ShapeFlow
{
    /// <summary>The input of an operator that states the shape of its output, or -1.</summary>
    public static int TargetInput(Node node) => node.IsOnnxDomain ? node.OpType switch { "Reshape" or "Expand" => 1, "ConstantOfShape" => 0, "Resize" => 3, _ => -1 } : -1;

    /// <summary>The nodes whose target shape the value is a part of, or null when it is used in any other way.</summary>
    public static IReadOnlyList<Node>? Targets(Value sizes)
    {
        var targets = new List<Node>();
        return Follow(sizes, targets, []) ? targets : null;
    }

    private static bool Follow(Value value, List<Node> targets, HashSet<Value> seen)
    {
        if (!seen.Add(value)) return true;
        if (value.IsGraphOutput) return false;
        foreach (var (node, index) in value.Uses)
        {
            if (index == TargetInput(node)) targets.Add(node);
            else if (!IsMovement(node, index) || !Follow(node.Outputs[0]!, targets, seen)) return false;
        }

        return true;
    }

    private static bool IsMovement(Node node, int index) =>
        node.IsOnnxDomain && (node.OpType == "Concat" || (index == 0 && node.OpType is "Gather" or "Slice" or "Squeeze" or "Unsqueeze" or "Cast" or "Identity"));
}
