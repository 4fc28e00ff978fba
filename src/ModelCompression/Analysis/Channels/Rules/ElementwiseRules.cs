using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels.Rules;

/// <summary>Operators that compute each element from the elements at the same place: channels pass through.</summary>
internal static class ElementwiseRules
{
    public static readonly IReadOnlyList<string> Operators =
    [
        "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Cast", "Ceil", "Celu", "Clip", "Cos",
        "Cosh", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Less",
        "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh",
        "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor",
    ];

    /// <summary>Axes are aligned from the right; a size of one is repeated and says nothing about the others.</summary>
    public static void Broadcast(Node node, ChannelTracer tracer)
    {
        // Before opset 7 operands could be aligned elsewhere.
        if (tracer.Opset < 7 && node.GetInt("broadcast", 0) != 0 && !IsAlignedRight(node, tracer))
        {
            tracer.PinNode(node, $"{node.OpType} {node.DisplayName} broadcasts by the rules of opset {tracer.Opset}");
            return;
        }

        foreach (var output in node.Outputs)
            if (output is not null)
                foreach (var input in node.Inputs)
                    if (input is not null) TieAligned(tracer, output, input);
    }

    /// <summary>Ties the axes of an operand to those of the result, aligned from the right.</summary>
    public static void TieAligned(ChannelTracer tracer, Value output, Value operand)
    {
        var shape = tracer.ShapeOf(operand)!;
        for (int axis = 1; axis <= shape.Rank; axis++)
            if (shape[-axis].Size != 1) tracer.Tie(output, -axis, operand, -axis);
    }

    private static bool IsAlignedRight(Node node, ChannelTracer tracer) =>
        node.Inputs.Count == 2 && ConstantIntegers.Axis(node.GetInt("axis", tracer.RankOf(node.Inputs[0]!) - tracer.RankOf(node.Inputs[1]!)), tracer.RankOf(node.Inputs[0]!)) + tracer.RankOf(node.Inputs[1]!) == tracer.RankOf(node.Inputs[0]!);
}
