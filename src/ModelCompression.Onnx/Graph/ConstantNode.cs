using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Graph;

/// <summary>Reads the attribute forms of <c>Constant</c> (opset 1–24).</summary>
internal static class ConstantNode
{
    /// <summary>The tensor a <c>Constant</c> node yields, or null for sparse or absent values.</summary>
    public static Tensor? TryGetTensor(Node node)
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
