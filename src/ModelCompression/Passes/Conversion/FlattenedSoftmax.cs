using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Conversion;

/// <summary>
/// Softmax, LogSoftmax and Hardmax before opset 13 saw their input as a matrix: all axes from <c>axis</c> (default 1) on were normalized together. From opset 13 on it is one axis (default −1).
/// </summary>
internal static class FlattenedSoftmax
{
    private const long OldDefault = 1;

    /// <summary>Sets the axis where both meanings agree; otherwise puts Flatten in front and Reshape behind.</summary>
    public static void Convert(Node node)
    {
        long axis = node.GetInt("axis", OldDefault);
        int? rank = node.Input(0)?.TensorType?.Shape?.Rank ?? node.Output()?.TensorType?.Shape?.Rank;
        if (axis == -1 || (rank is { } r && (axis == r - 1 || axis + r == r - 1)))
        {
            node.SetAttribute(NodeAttribute.Of("axis", -1L));
            return;
        }

        var graph = node.Graph!;
        var (input, output) = (node.Inputs[0]!, node.Outputs[0]!);
        var shape = graph.InsertBefore(node, "Shape", [input], output.Name + "_shape");
        var flat = graph.InsertBefore(node, "Flatten", [input], output.Name + "_flat", NodeAttribute.Of("axis", axis));
        var normalized = graph.InsertBefore(node, node.OpType, [flat], output.Name + "_rows", NodeAttribute.Of("axis", -1L));
        var result = graph.InsertBefore(node, "Reshape", [normalized, shape], output.Name);
        result.Type = output.Type;
        output.ReplaceAllUsesWith(result);
        graph.RemoveNode(node);
    }
}
