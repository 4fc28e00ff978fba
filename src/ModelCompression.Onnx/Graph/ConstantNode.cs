using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Graph;

/// <summary>Reads the attribute forms of <c>Constant</c> (opset 1–24), and knows what it may yield.</summary>
public static class ConstantNode
{
    /// <summary>The first opset in which it yields more than floats (https://github.com/onnx/onnx/blob/main/docs/Changelog.md#Constant-9).</summary>
    private const long AnyTypeOpset = 9;

    /// <summary>Why a new node of this opset may not yield elements of a type; null when it may.</summary>
    public static string? WhyNot(long opset, DataType type) => opset >= AnyTypeOpset || type is DataType.Float or DataType.Float16 or DataType.Double
        ? null
        : FormattableString.Invariant($"constants that are no initializers, as in functions, are floats only at opset {opset}; from opset {AnyTypeOpset} on they may be {type}");

    /// <summary>The tensor a <c>Constant</c> node yields, or null for sparse or absent values.</summary>
    internal static Tensor? TryGetTensor(Node node)
    {
        foreach (var attribute in node.Attributes)
        {
            switch (attribute.Name)
            {
                case "value" when attribute.Holds(AttributeType.Tensor):
                    return attribute.Tensor;
                case "value_float" when attribute.Holds(AttributeType.Float):
                    return Tensor.Float([], attribute.Float);
                case "value_floats" when attribute.Holds(AttributeType.Floats):
                    return Tensor.Float([attribute.Floats.Count], [.. attribute.Floats]);
                case "value_int" when attribute.Holds(AttributeType.Int):
                    return Tensor.Int64([], attribute.Int);
                case "value_ints" when attribute.Holds(AttributeType.Ints):
                    return Tensor.Int64([attribute.Ints.Count], [.. attribute.Ints]);
                default:
                    continue;
            }
        }

        return null;
    }
}
