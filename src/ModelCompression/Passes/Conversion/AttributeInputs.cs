using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Conversion;

/// <summary>Turns attributes into constant inputs, as later opsets want them.</summary>
internal static class AttributeInputs
{
    /// <summary>Before this opset Clip had its bounds, and Pad its widths, as attributes.</summary>
    private const long ClipOpset = 11;

    private const long SliceOpset = 10;

    /// <summary>A list of integers becomes an int64 input; nothing happens when the attribute is absent.</summary>
    public static void MoveInts(Node node, string attribute, int input)
    {
        if (node.GetInts(attribute) is not { } values) return;
        node.RemoveAttribute(attribute);
        node.SetInput(input, Ints(node, attribute, values));
    }

    /// <summary>min and max become scalars of the input's type.</summary>
    public static void Clip(Node node, long from)
    {
        if (from >= ClipOpset) return;
        MoveFloat(node, "min", 1, null);
        MoveFloat(node, "max", 2, null);
    }

    /// <summary>pads and value become inputs.</summary>
    public static void Pad(Node node, long from)
    {
        if (from >= ClipOpset) return;
        MoveInts(node, "pads", 1);
        MoveFloat(node, "value", 2, null);
    }

    /// <summary>starts, ends and axes become inputs.</summary>
    public static void Slice(Node node, long from)
    {
        if (from >= SliceOpset) return;
        MoveInts(node, "starts", 1);
        MoveInts(node, "ends", 2);
        MoveInts(node, "axes", 3);
    }

    /// <summary>k becomes an input.</summary>
    public static void TopK(Node node, long from)
    {
        if (from >= SliceOpset) return;
        long k = node.GetInt("k", 0);
        node.RemoveAttribute("k");
        node.SetInput(1, Ints(node, "k", [k]));
    }

    private static void MoveFloat(Node node, string attribute, int input, float? absent)
    {
        float? value = node.TryGetAttribute(attribute, out var a) ? a.Float : absent;
        node.RemoveAttribute(attribute);
        if (value is { } number) node.SetInput(input, node.Graph!.AddInitializer(attribute, Scalar(node, number)));
    }

    private static Tensor Scalar(Node node, float value) => node.Input(0)?.TensorType?.ElementType switch
    {
        DataType.Double => Tensor.Create(DataType.Double, [], [(double)value]),
        DataType.Float16 => Tensor.Create(DataType.Float16, [], [(Half)value]),
        _ => Tensor.Float([], value),
    };

    private static Value Ints(Node node, string name, IReadOnlyList<long> values) => node.Graph!.AddInitializer(name, Tensor.Int64([values.Count], [.. values]));
}
