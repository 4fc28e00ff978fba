using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients.Rules;

/// <summary>Arithmetic, element by element. Gradients of operands that were repeated are summed.</summary>
internal static class ArithmeticRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        Binary(rules, "Add", (n, dy) => dy, (n, dy) => dy);
        Binary(rules, "Sub", (n, dy) => dy, (n, dy) => n.Emit.Op("Neg", [dy]));
        Binary(rules, "Mul", (n, dy) => n.Emit.Mul(dy, n.X(1)), (n, dy) => n.Emit.Mul(dy, n.X(0)));
        Binary(rules, "Div", (n, dy) => n.Emit.Div(dy, n.X(1)), (n, dy) => n.Emit.Op("Neg", [n.Emit.Div(n.Emit.Mul(dy, n.Y()), n.X(1))]));
        Binary(rules, "Pow", PowBase, PowExponent);
        Unary(rules, "Neg", (n, dy) => n.Emit.Op("Neg", [dy]));
        Unary(rules, "Abs", (n, dy) => n.Emit.Mul(dy, n.Emit.Sign(n.X())));
        Unary(rules, "Sqrt", (n, dy) => n.Emit.Div(n.Emit.Mul(dy, 0.5f), n.Y()));
        Unary(rules, "Exp", (n, dy) => n.Emit.Mul(dy, n.Y()));
        Unary(rules, "Log", (n, dy) => n.Emit.Div(dy, n.X()));
        Unary(rules, "Reciprocal", (n, dy) => n.Emit.Op("Neg", [n.Emit.Mul(dy, n.Emit.Square(n.Y()))]));
        Unary(rules, "Erf", (n, dy) => n.Emit.Mul(dy, n.Emit.Mul(n.Emit.Op("Exp", [n.Emit.Op("Neg", [n.Emit.Square(n.X())])]), (float)(2 / Math.Sqrt(Math.PI)))));
        rules["Sum"] = n => Shares(n, (_, dy) => dy);
        rules["Mean"] = n => Shares(n, (_, dy) => n.Emit.Mul(dy, 1f / n.Node.Inputs.Count));
        rules["Max"] = Extremum;
        rules["Min"] = Extremum;
    }

    /// <summary>Adds a rule for an operator with one differentiable input of the output's shape.</summary>
    internal static void Unary(Dictionary<string, Action<NodeGradient>> rules, string opType, Func<NodeGradient, Value, Value> gradient) =>
        rules[opType] = n => n.GiveIfNeeded(0, () => gradient(n, n.DY));

    private static void Binary(Dictionary<string, Action<NodeGradient>> rules, string opType, Func<NodeGradient, Value, Value> left, Func<NodeGradient, Value, Value> right) => rules[opType] = n =>
    {
        long[] y = n.Dims(n.Y());
        n.GiveIfNeeded(0, () => n.Emit.SumTo(left(n, n.DY), y, n.Dims(n.X(0))));
        n.GiveIfNeeded(1, () => n.Emit.SumTo(right(n, n.DY), y, n.Dims(n.X(1))));
    };

    private static void Shares(NodeGradient n, Func<int, Value, Value> share)
    {
        long[] y = n.Dims(n.Y());
        for (int i = 0; i < n.Node.Inputs.Count; i++)
        {
            int index = i;
            n.GiveIfNeeded(index, () => n.Emit.SumTo(share(index, n.DY), y, n.Dims(n.X(index))));
        }
    }

    /// <summary>p·x^(p−1).</summary>
    private static Value PowBase(NodeGradient n, Value dy)
    {
        if (n.X(1).TryGetConstant(out var p) && p is { ElementCount: 1, DataType: Onnx.Tensors.DataType.Float })
        {
            float exponent = p.AsSpan<float>()[0];
            if (exponent == 2) return n.Emit.Mul(dy, n.Emit.Mul(n.X(0), 2));
            return n.Emit.Mul(dy, n.Emit.Mul(n.Emit.Op("Pow", [n.X(0), n.Emit.Scalar(exponent - 1)]), exponent));
        }

        var power = AsFloat(n, 1);
        return n.Emit.Mul(dy, n.Emit.Mul(power, n.Emit.Op("Pow", [n.X(0), n.Emit.Sub(power, n.Emit.Scalar(1))])));
    }

    /// <summary>x^p·ln x; 0 where x is 0 or less, where there is no derivative.</summary>
    private static Value PowExponent(NodeGradient n, Value dy)
    {
        var positive = n.Emit.MaskGreater(n.X(0), 0);
        var safe = n.Emit.Add(n.Emit.Mul(n.X(0), positive), n.Emit.OneMinus(positive));
        return n.Emit.Mul(n.Emit.Mul(dy, n.Y()), n.Emit.Op("Log", [safe]));
    }

    /// <summary>Exponents may be integers.</summary>
    private static Value AsFloat(NodeGradient n, int index) => n.Emit.Mask(n.X(index));

    /// <summary>All of ∂y to the operand that is the extremum; equal ones share it.</summary>
    private static void Extremum(NodeGradient n)
    {
        var masks = n.Node.Inputs.Select(x => n.Emit.Mask(n.Emit.Op("Equal", [x!, n.Y()]))).ToArray();
        var share = n.Emit.Div(n.DY, masks.Aggregate(n.Emit.Add));
        Shares(n, (i, _) => n.Emit.Mul(share, masks[i]));
    }
}
