using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Simplification;

/// <summary>Attributes whose absence means the same as a certain value, in every version of the operator from opset 11 on.</summary>
/// <remarks>ONNX operator specifications, versions 11 to 26. Left out are defaults that changed (axis of Softmax) and <c>kernel_shape</c>, which some runtimes want to see.</remarks>
internal static class DefaultAttributes
{
    /// <summary>The first version in which strides and dilations have defaults.</summary>
    public const long FirstOpset = 11;

    private static readonly Dictionary<string, string[]> Sliding = new(StringComparer.Ordinal)
    {
        ["Conv"] = ["strides", "dilations", "pads", "group", "auto_pad"],
        ["ConvTranspose"] = ["strides", "dilations", "pads", "group", "auto_pad", "output_padding"],
        ["MaxPool"] = ["strides", "dilations", "pads", "auto_pad", "ceil_mode", "storage_order"],
        ["AveragePool"] = ["strides", "dilations", "pads", "auto_pad", "ceil_mode", "count_include_pad"],
    };

    private static readonly Dictionary<(string OpType, string Attribute), object> Scalars = new()
    {
        [("Gemm", "alpha")] = 1f,
        [("Gemm", "beta")] = 1f,
        [("Gemm", "transA")] = 0L,
        [("Gemm", "transB")] = 0L,
        [("BatchNormalization", "epsilon")] = 1e-5f,
        [("BatchNormalization", "momentum")] = 0.9f,
        [("BatchNormalization", "training_mode")] = 0L,
        [("InstanceNormalization", "epsilon")] = 1e-5f,
        [("LeakyRelu", "alpha")] = 0.01f,
        [("Elu", "alpha")] = 1f,
        [("HardSigmoid", "alpha")] = 0.2f,
        [("HardSigmoid", "beta")] = 0.5f,
        [("Flatten", "axis")] = 1L,
        [("Gather", "axis")] = 0L,
        [("ReduceMean", "keepdims")] = 1L,
        [("ReduceSum", "keepdims")] = 1L,
        [("ReduceMax", "keepdims")] = 1L,
        [("ReduceMin", "keepdims")] = 1L,
        [("ReduceL2", "keepdims")] = 1L,
        [("ArgMax", "keepdims")] = 1L,
        [("ArgMax", "axis")] = 0L,
        [("ArgMax", "select_last_index")] = 0L,
        [("DepthToSpace", "mode")] = "DCR",
        [("Reshape", "allowzero")] = 0L,
    };

    /// <summary>True if a node of the standard domain computes the same without the attribute.</summary>
    public static bool IsDefault(Node node, NodeAttribute attribute)
    {
        if (attribute.ReferencedName is not null) return false;
        if (Sliding.TryGetValue(node.OpType, out var names) && names.Contains(attribute.Name)) return IsDefaultOfWindow(attribute);
        if (!Scalars.TryGetValue((node.OpType, attribute.Name), out object? value)) return false;
        return attribute.Type switch
        {
            AttributeType.Int => value is long number && attribute.Int == number,
            AttributeType.Float => value is float number && attribute.Float == number,
            AttributeType.String => value is string text && attribute.Text == text,
            _ => false,
        };
    }

    private static bool IsDefaultOfWindow(NodeAttribute attribute) => attribute.Name switch
    {
        "strides" or "dilations" => attribute.Holds(AttributeType.Ints) && attribute.Ints.All(i => i == 1),
        "pads" or "output_padding" => attribute.Holds(AttributeType.Ints) && attribute.Ints.All(i => i == 0),
        "auto_pad" => attribute.Holds(AttributeType.String) && attribute.Text == "NOTSET",
        "group" => attribute.Holds(AttributeType.Int) && attribute.Int == 1,
        _ => attribute.Holds(AttributeType.Int) && attribute.Int == 0,
    };
}
