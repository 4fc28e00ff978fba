using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Operators that work element by element, with or without broadcasting.</summary>
internal static class ElementwiseRules
{
    private static readonly string[] Unary =
    [
        "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Clip", "Cos", "Cosh", "Elu", "Erf", "Exp", "Floor",
        "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink",
        "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
        // Shape keeping, though not element by element.
        "CumSum", "CumProd", "Hardmax", "Softmax", "LogSoftmax", "LpNormalization", "ReverseSequence", "Trilu",
        // Removed operators old files still hold.
        "Affine", "ParametricSoftplus", "ScaledTanh", "ImageScaler", "GivenTensorFill",
    ];

    private static readonly string[] Arithmetic = ["Add", "Sub", "Mul", "Div", "Pow", "Mod", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "PRelu"];

    private static readonly string[] Comparison = ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor"];

    private static readonly string[] Variadic = ["Max", "Min", "Mean", "Sum"];

    private static readonly string[] MicrosoftUnary =
        ["BiasGelu", "FastGelu", "Gelu", "QuickGelu", "Inverse", "BiasSoftmax", "BiasAdd", "Trilu"];

    public static void Register(RuleTable table)
    {
        table.Add(Unary, n => n.Set(0, n.TypeOf(0)));
        table.Add(MicrosoftUnary, n => n.Set(0, n.TypeOf(0)), domain: RuleTable.Microsoft);
        table.Add(["IsInf", "IsNaN"], n => n.Set(0, DataType.Bool, n.ShapeOf(0)));
        table.Add("IsAllFinite", n => n.Set(0, DataType.Bool, Shape.Of()), domain: RuleTable.Microsoft);
        // Before opset 7 only the second operand is broadcast (attribute broadcast/axis), so the first one's shape is the result's.
        table.Add(Arithmetic, n => n.Set(0, n.ElementOf(0), n.ShapeOf(0)), until: 6);
        table.Add(Comparison, n => n.Set(0, DataType.Bool, n.ShapeOf(0)), until: 6);
        table.Add(Arithmetic, n => SetBroadcast(n, n.ElementOf(0), 2), since: 7);
        table.Add(Comparison, n => SetBroadcast(n, DataType.Bool, 2), since: 7);
        table.Add(Variadic, n => SetBroadcast(n, n.ElementOf(0), n.Node.Inputs.Count));
        table.Add("Where", Where);
        table.Add("ComplexMul", n => SetBroadcast(n, n.ElementOf(0), 2), domain: RuleTable.Microsoft);
    }

    /// <summary>The broadcast shape of the first <paramref name="count"/> inputs.</summary>
    public static void SetBroadcast(NodeInference n, DataType element, int count)
    {
        n.Set(0, element, default(Shape));
        n.Set(0, element, Broadcasting.Combine(n, Enumerable.Range(0, count).Select(n.ShapeOf)));
    }

    private static void Where(NodeInference n)
    {
        var element = n.ElementOf(1) != DataType.Undefined ? n.ElementOf(1) : n.ElementOf(2);
        n.Set(0, element, Broadcasting.Combine(n, n.ShapeOf(0), n.ShapeOf(1), n.ShapeOf(2)));
    }
}
