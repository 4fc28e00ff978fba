using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients.Rules;

/// <summary>Trigonometric and hyperbolic functions.</summary>
internal static class ElementaryRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        ArithmeticRules.Unary(rules, "Sin", (n, dy) => n.Emit.Mul(dy, n.Emit.Op("Cos", [n.X()])));
        ArithmeticRules.Unary(rules, "Cos", (n, dy) => n.Emit.Op("Neg", [n.Emit.Mul(dy, n.Emit.Op("Sin", [n.X()]))]));
        ArithmeticRules.Unary(rules, "Tan", (n, dy) => n.Emit.Mul(dy, OnePlus(n, n.Y())));
        ArithmeticRules.Unary(rules, "Asin", (n, dy) => n.Emit.Div(dy, n.Emit.Op("Sqrt", [OneMinus(n)])));
        ArithmeticRules.Unary(rules, "Acos", (n, dy) => n.Emit.Op("Neg", [n.Emit.Div(dy, n.Emit.Op("Sqrt", [OneMinus(n)]))]));
        ArithmeticRules.Unary(rules, "Atan", (n, dy) => n.Emit.Div(dy, OnePlus(n, n.X())));
        ArithmeticRules.Unary(rules, "Sinh", (n, dy) => n.Emit.Mul(dy, n.Emit.Op("Cosh", [n.X()])));
        ArithmeticRules.Unary(rules, "Cosh", (n, dy) => n.Emit.Mul(dy, n.Emit.Op("Sinh", [n.X()])));
        ArithmeticRules.Unary(rules, "Asinh", (n, dy) => n.Emit.Div(dy, n.Emit.Op("Sqrt", [OnePlus(n, n.X())])));
        ArithmeticRules.Unary(rules, "Acosh", (n, dy) => n.Emit.Div(dy, n.Emit.Op("Sqrt", [n.Emit.Sub(n.Emit.Square(n.X()), n.Emit.Scalar(1))])));
        ArithmeticRules.Unary(rules, "Atanh", (n, dy) => n.Emit.Div(dy, OneMinus(n)));
    }

    /// <summary>1 + v².</summary>
    private static Value OnePlus(NodeGradient n, Value v) => n.Emit.Add(n.Emit.Square(v), n.Emit.Scalar(1));

    /// <summary>1 − x².</summary>
    private static Value OneMinus(NodeGradient n) => n.Emit.OneMinus(n.Emit.Square(n.X()));
}
