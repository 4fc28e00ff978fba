using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>An operator that computes with codes, in place of one between DequantizeLinear and QuantizeLinear.</summary>
/// <param name="OpType">Operator.</param>
/// <param name="Domain">Its domain.</param>
/// <param name="Inputs">Its inputs.</param>
internal sealed record IntegerOperator(string OpType, string Domain, IReadOnlyList<Value?> Inputs)
{
    /// <summary>The domain of ONNX Runtime's own operators.</summary>
    public const string Contributed = "com.microsoft";

    /// <summary>Attributes to take over from the float operator: all, or those named.</summary>
    public IReadOnlyList<string>? Kept { get; init; }

    /// <summary>Attributes that the float operator has no need of.</summary>
    public IReadOnlyList<NodeAttribute> Added { get; init; } = [];

    /// <summary>The operator for a node whose data inputs are quantized, or why there is none.</summary>
    /// <param name="node">The node.</param>
    /// <param name="inputs">Its inputs as codes; null where one is not quantized.</param>
    /// <param name="output">Its output as codes, or null where it stays float.</param>
    /// <param name="opset">The model's opset.</param>
    /// <param name="reason">Why there is none.</param>
    public static IntegerOperator? For(Node node, QuantizedOperand?[] inputs, QuantizedOperand? output, long opset, out string reason)
    {
        reason = Problem(node, inputs, output) ?? "";
        if (reason.Length > 0) return null;
        var first = inputs[0];
        Value?[] unary = first is null || output is null ? [] : [.. first.All, .. output.Parameters];
        var made = node.OpType switch
        {
            "Conv" => new("QLinearConv", "", [.. first!.All, .. inputs[1]!.All, .. output!.Parameters, .. Bias(inputs)]),
            "MatMul" when output is not null => new("QLinearMatMul", "", [.. first!.All, .. inputs[1]!.All, .. output.Parameters]),
            "MatMul" => new("MatMulIntegerToFloat", Contributed, [first!.Codes, inputs[1]!.Codes, first.Scale, inputs[1]!.Scale, first.ZeroPoint, inputs[1]!.ZeroPoint]),
            "Gemm" => new("QGemm", Contributed, [.. first!.All, .. inputs[1]!.All, .. Gemm(inputs, output)]) { Kept = ["transA", "transB"] },
            "Add" or "Mul" => new("QLinear" + node.OpType, Contributed, [.. first!.All, .. inputs[1]!.All, .. output!.Parameters]),
            "Sigmoid" or "LeakyRelu" or "AveragePool" or "GlobalAveragePool" => new("QLinear" + node.OpType, Contributed, unary),
            "Softmax" => new IntegerOperator("QLinearSoftmax", Contributed, unary) { Added = [NodeAttribute.Of("axis", node.GetInt("axis", opset >= 13 ? -1 : 1)), NodeAttribute.Of("opset", opset)] },
            "Concat" => new("QLinearConcat", Contributed, [.. output!.Parameters, .. inputs.SelectMany(i => i!.All)]),
            "Where" => new("QLinearWhere", Contributed, [node.Inputs[0], .. inputs[1]!.All, .. inputs[2]!.All, .. output!.Parameters]),
            _ => null,
        };
        if (made is null) reason = $"there is no integer operator for {node.OpType}";
        return made;
    }

    private static string? Problem(Node node, QuantizedOperand?[] inputs, QuantizedOperand? output)
    {
        bool mayReturnFloat = node.OpType is "MatMul" or "Gemm";
        if (output is null && !mayReturnFloat) return "what it computes is not quantized as it is";
        bool hasWeight = node.OpType is "Conv" or "MatMul" or "Gemm";
        foreach (int index in hasWeight ? [0] : StaticOperators.DataInputs(node))
            if (inputs[index]?.IsActivation != true) return FormattableString.Invariant($"its input {index} has no codes of 8 bits with one scale");
        if (hasWeight && inputs[1] is null) return "its weights have no codes";
        if (output?.IsActivation == false) return "its output has no codes of 8 bits with one scale";
        if (node.OpType == "AveragePool" && node.GetInts("dilations")?.Any(d => d != 1) == true) return "the integer operator has no dilations";
        return null;
    }

    /// <summary>The bias of a convolution; its scale is the product of the two others.</summary>
    private static Value?[] Bias(QuantizedOperand?[] inputs) => inputs.Length > 2 && inputs[2] is { } bias ? [bias.Codes] : [];

    private static Value?[] Gemm(QuantizedOperand?[] inputs, QuantizedOperand? output)
    {
        var bias = inputs.Length > 2 ? inputs[2]?.Codes : null;
        return output is null ? bias is null ? [] : [bias] : [bias, .. output.Parameters];
    }
}
