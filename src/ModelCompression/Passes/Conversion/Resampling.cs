using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Conversion;

/// <summary>
/// Upsample (opsets 7 and 9) and Resize of opset 10 become Resize of opset 11 with the coordinates they used: x_old = x_new / scale, rounded down when enlarging.
/// </summary>
internal static class Resampling
{
    /// <summary>Upsample had its scales as an attribute before.</summary>
    private const long ScalesInputOpset = 9;

    /// <summary>Why not, or null: reducing rounds in another direction, which only constant scales can exclude.</summary>
    public static string? WhyNot(Node node, long from)
    {
        if (node.GetString("mode", "nearest") is not ("nearest" or "linear" or "bilinear")) return $"{node.OpType} has a mode of its own";
        return ScalesOf(node, from) is { } scales && scales.All(s => s >= 1) ? null : $"{node.OpType} may reduce its input";
    }

    /// <summary>Exchanges the node.</summary>
    public static void Convert(Node node, long from)
    {
        var graph = node.Graph!;
        var scales = from < ScalesInputOpset ? graph.AddInitializer("scales", Tensor.Float([ScalesOf(node, from)!.Count], [.. ScalesOf(node, from)!])) : node.Inputs[1]!;
        string mode = node.GetString("mode", "nearest") == "nearest" ? "nearest" : "linear";
        List<NodeAttribute> attributes = [NodeAttribute.Of("mode", mode), NodeAttribute.Of("coordinate_transformation_mode", "asymmetric")];
        if (mode == "nearest") attributes.Add(NodeAttribute.Of("nearest_mode", "floor"));
        // An empty region of interest, not an omitted one: Resize of opset 11 and 12 requires the input.
        var region = graph.AddInitializer("roi", Tensor.Float([0]));
        Renaming.Replace(node, "Resize", [node.Inputs[0], region, scales], attributes);
    }

    private static IReadOnlyList<float>? ScalesOf(Node node, long from)
    {
        if (from < ScalesInputOpset) return node.TryGetAttribute("scales", out var attribute) ? attribute.Floats : null;
        return node.Input(1)?.TryGetConstant(out var tensor) == true && tensor.DataType == DataType.Float ? tensor.AsSpan<float>().ToArray() : null;
    }
}
