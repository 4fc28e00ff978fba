using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis;

/// <summary>The operators that take integer weights, and which of their inputs those are.</summary>
internal static class QuantizedOperators
{
    /// <summary>The domain of ONNX Runtime's own operators.</summary>
    public const string Microsoft = "com.microsoft";

    private static readonly Dictionary<(string Domain, string OpType), int[]> WeightInputs = new()
    {
        [("", "MatMulInteger")] = [0, 1],
        [("", "ConvInteger")] = [1],
        [("", "QLinearConv")] = [3],
        [("", "QLinearMatMul")] = [0, 3],
        [(Microsoft, "QLinearConv")] = [3],
        [(Microsoft, "MatMulInteger16")] = [0, 1],
        [(Microsoft, "MatMulIntegerToFloat")] = [1],
        [(Microsoft, "DynamicQuantizeMatMul")] = [1],
        [(Microsoft, "DynamicQuantizeLSTM")] = [1, 2],
        [(Microsoft, "QAttention")] = [1],
        [(Microsoft, "QGemm")] = [3],
        [(Microsoft, "QEmbedLayerNormalization")] = [2, 3, 4],
        [(Microsoft, "MatMulNBits")] = [1],
        [(Microsoft, "MatMulBnb4")] = [1],
        [(Microsoft, "MatMulFpQ4")] = [1],
        [(Microsoft, "GatherBlockQuantized")] = [0],
        [(Microsoft, "QMoE")] = [2, 5, 8],
    };

    /// <summary>Inputs that hold integer weights when they are constant; empty for other operators.</summary>
    public static IReadOnlyList<int> WeightInputsOf(Node node) => WeightInputs.GetValueOrDefault((node.IsOnnxDomain ? "" : node.Domain, node.OpType), []);

    /// <summary>True for the scales, zero points and orders of packed codes, which are no parameters by themselves.</summary>
    public static bool DescribesCodes(Value value) => value.Uses.Count > 0 && value.Uses.All(u => u.Node.Domain == Microsoft && u.Node.OpType switch
    {
        "MatMulNBits" => u.Index is >= 2 and <= 4,
        "GatherBlockQuantized" => u.Index >= 2,
        _ => false,
    });

    /// <summary>
    /// True for an Identity that keeps a MatMulNBits from packing its constant codes when it is made, while its scales are still to be computed: ONNX Runtime takes unknown scales for zeros
    /// then, if <c>accuracy_level</c> lets it round activations to 8 bits.
    /// </summary>
    public static bool DefersPacking(Node node) =>
        node.Is("Identity") && node.Output() is { } codes && codes.Uses.Any(u => u.Index == 1 && u.Node is { OpType: "MatMulNBits", Domain: Microsoft } && u.Node.Input(2)?.TryGetConstant(out _) == false);

    /// <summary>True for operators that compute with integers in place of reals, and those that convert between the two.</summary>
    public static bool IsQuantized(Node node) =>
        WeightInputsOf(node).Count > 0
        || (node.OpType is "QuantizeLinear" or "DequantizeLinear" && (node.IsOnnxDomain || node.Domain == Microsoft))
        || node.Is("DynamicQuantizeLinear")
        || (node.Domain == Microsoft && (node.OpType.StartsWith("QLinear", StringComparison.Ordinal) || node.OpType.StartsWith("QOrdered", StringComparison.Ordinal)));
}
