using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients.Rules;

/// <summary>Activation functions.</summary>
internal static class ActivationRules
{
    private const float InverseSqrt2 = 0.70710678f;
    private const float InverseSqrt2Pi = 0.39894228f;

    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        rules["Relu"] = Relu;
        Add(rules, "LeakyRelu", n => Sloped(n, n.Attributes.Float("alpha", 0.01f)));
        Add(rules, "Sigmoid", n => n.Emit.Mul(n.Y(), n.Emit.OneMinus(n.Y())));
        Add(rules, "Tanh", n => n.Emit.OneMinus(n.Emit.Square(n.Y())));
        Add(rules, "HardSigmoid", n => n.Emit.Mul(Between(n.Emit, n.Y(), 0, 1), n.Attributes.Float("alpha", 0.2f)));
        Add(rules, "HardSwish", HardSwish);
        Add(rules, "Softplus", n => n.Emit.Op("Sigmoid", [n.X()]));
        Add(rules, "Softsign", n => n.Emit.Op("Reciprocal", [n.Emit.Square(n.Emit.Add(n.Emit.Op("Abs", [n.X()]), n.Emit.Scalar(1)))]));
        Add(rules, "Elu", n => Exponential(n, n.Attributes.Float("alpha", 1), 1));
        Add(rules, "Selu", n => Exponential(n, n.Attributes.Float("alpha", 1.67326319f), n.Attributes.Float("gamma", 1.05070102f)));
        Add(rules, "Celu", Celu);
        Add(rules, "ThresholdedRelu", n => n.Emit.MaskGreater(n.X(), n.Attributes.Float("alpha", 1)));
        Add(rules, "Mish", Mish);
        Add(rules, "Gelu", n => n.Attributes.Text("approximate", "none") == "tanh" ? GeluTanh(n, n.X()) : Gelu(n, n.X()));
        Add(rules, "com.microsoft.Gelu", n => Gelu(n, n.X()));
        rules["com.microsoft.BiasGelu"] = n => Biased(n, Gelu);
        rules["com.microsoft.FastGelu"] = n => Biased(n, GeluTanh);
        Add(rules, "com.microsoft.QuickGelu", QuickGelu);
        rules["Clip"] = Clip;
        rules["PRelu"] = PRelu;
    }

    private static void Add(Dictionary<string, Action<NodeGradient>> rules, string opType, Func<NodeGradient, Value> derivative) =>
        ArithmeticRules.Unary(rules, opType, (n, dy) => n.Emit.Mul(dy, derivative(n)));

    private static void Relu(NodeGradient n) => Limited(n, 0, null);

    /// <summary>What a value repeats, or null: multiplication repeats as well, and saves a copy.</summary>
    internal static Value? Repeated(Value value) => value.Producer is { } node && node.Is("Expand") ? node.Input(0) : null;

    /// <summary>∂y where low &lt; y &lt; high, else 0: in the layout that y and ∂y have.</summary>
    private static void Limited(NodeGradient n, float? low, float? high)
    {
        if (!n.Needs(0)) return;
        long[] dims = n.Dims(n.Y());
        if (n.Blocks.Has(n.Y(), dims) && n.Blocks.Has(n.DY, dims)) n.Give(0, Masked(n.Y(), n.DY, (y, line) => n.Blocks.Steps(y, dims[1], line)));
        else if (n.Rows.Find(n.Y(), dims) is { } y && n.Rows.Find(n.DY, dims) is { } dy) n.Give(0, n.Rows.ToPlanes(Masked(y, dy, null), dims));
        else n.Give(0, Masked(n.Y(), low is null && high is null ? n.DY : Repeated(n.DY) ?? n.DY, null));

        Value Masked(Value result, Value gradient, Func<Value, (float Slope, float Offset), Value>? steps)
        {
            if (low is { } l) gradient = n.Emit.Mul(gradient, steps is not null && GradientEmitter.SteepLine(l) is { } line ? steps(result, line) : n.Emit.MaskGreater(result, l));
            if (high is { } h) gradient = n.Emit.Mul(gradient, steps is not null && GradientEmitter.SteepLine(h) is { } line ? steps(result, (-line.Slope, -line.Offset)) : n.Emit.MaskLess(result, h));
            return gradient;
        }
    }

    /// <summary>1 where low &lt; v &lt; high.</summary>
    private static Value Between(GradientEmitter emit, Value v, float low, float high) => emit.Mul(emit.MaskGreater(v, low), emit.MaskLess(v, high));

    private static Value Sloped(NodeGradient n, float slope) => n.Emit.Add(n.Emit.Mul(n.Emit.MaskGreater(n.X(), 0), 1 - slope), n.Emit.Scalar(slope));

    /// <summary>0 below −3, x/3 + 1/2 between, 1 above 3.</summary>
    private static Value HardSwish(NodeGradient n)
    {
        var line = n.Emit.Add(n.Emit.Mul(n.X(), 1f / 3), n.Emit.Scalar(0.5f));
        var above = n.Emit.OneMinus(n.Emit.MaskLess(n.X(), 3));
        return n.Emit.Add(n.Emit.Mul(line, Between(n.Emit, n.X(), -3, 3)), above);
    }

    /// <summary>γ for x &gt; 0, else γαeˣ = y + γα.</summary>
    private static Value Exponential(NodeGradient n, float alpha, float gamma)
    {
        var positive = n.Emit.MaskGreater(n.X(), 0);
        return n.Emit.Add(n.Emit.Mul(positive, gamma), n.Emit.Mul(n.Emit.OneMinus(positive), n.Emit.Add(n.Y(), n.Emit.Scalar(alpha * gamma))));
    }

    /// <summary>1 for x &gt; 0, else e^(x/α) = y/α + 1.</summary>
    private static Value Celu(NodeGradient n)
    {
        var positive = n.Emit.MaskGreater(n.X(), 0);
        var below = n.Emit.Add(n.Emit.Mul(n.Y(), 1 / n.Attributes.Float("alpha", 1)), n.Emit.Scalar(1));
        return n.Emit.Add(positive, n.Emit.Mul(n.Emit.OneMinus(positive), below));
    }

    /// <summary>t + x·(1 − t²)·σ(x) with t = tanh(softplus x).</summary>
    private static Value Mish(NodeGradient n)
    {
        var t = n.Emit.Op("Tanh", [n.Emit.Op("Softplus", [n.X()])]);
        return n.Emit.Add(t, n.Emit.Mul(n.Emit.Mul(n.X(), n.Emit.OneMinus(n.Emit.Square(t))), n.Emit.Op("Sigmoid", [n.X()])));
    }

    /// <summary>Φ(x) + x·φ(x).</summary>
    private static Value Gelu(NodeGradient n, Value x)
    {
        var cdf = n.Emit.Mul(n.Emit.Add(n.Emit.Op("Erf", [n.Emit.Mul(x, InverseSqrt2)]), n.Emit.Scalar(1)), 0.5f);
        var density = n.Emit.Mul(n.Emit.Op("Exp", [n.Emit.Mul(n.Emit.Square(x), -0.5f)]), InverseSqrt2Pi);
        return n.Emit.Add(cdf, n.Emit.Mul(x, density));
    }

    /// <summary>½(1 + t) + ½x(1 − t²)·u′ with u = √(2/π)(x + 0.044715x³), t = tanh u.</summary>
    private static Value GeluTanh(NodeGradient n, Value x)
    {
        const float a = 0.7978845608f, b = 0.044715f;
        var x2 = n.Emit.Square(x);
        var t = n.Emit.Op("Tanh", [n.Emit.Mul(n.Emit.Mul(x, n.Emit.Add(n.Emit.Mul(x2, b), n.Emit.Scalar(1))), a)]);
        var slope = n.Emit.Mul(n.Emit.Add(n.Emit.Mul(x2, 3 * b), n.Emit.Scalar(1)), a);
        var right = n.Emit.Mul(n.Emit.Mul(x, n.Emit.OneMinus(n.Emit.Square(t))), slope);
        return n.Emit.Mul(n.Emit.Add(n.Emit.Add(t, n.Emit.Scalar(1)), right), 0.5f);
    }

    /// <summary>f(x + bias), the bias being optional and repeated.</summary>
    private static void Biased(NodeGradient n, Func<NodeGradient, Value, Value> derivative)
    {
        var bias = n.Node.Input(1);
        var gradient = n.Emit.Mul(n.DY, derivative(n, bias is null ? n.X() : n.Emit.Add(n.X(), bias)));
        n.GiveIfNeeded(0, () => gradient);
        if (bias is not null) n.GiveIfNeeded(1, () => n.Emit.SumTo(gradient, n.Dims(n.Y()), n.Dims(bias)));
    }

    /// <summary>s·(1 + αx(1 − s)) with s = σ(αx).</summary>
    private static Value QuickGelu(NodeGradient n)
    {
        var scaled = n.Emit.Mul(n.X(), n.Attributes.Float("alpha", 1.702f));
        var s = n.Emit.Op("Sigmoid", [scaled]);
        return n.Emit.Mul(s, n.Emit.Add(n.Emit.Mul(scaled, n.Emit.OneMinus(s)), n.Emit.Scalar(1)));
    }

    /// <summary>∂y where min &lt; y &lt; max, else 0. The limits have no gradient rule.</summary>
    private static void Clip(NodeGradient n)
    {
        if (n.Needs(1) || n.Needs(2)) throw n.Refuse("its limits depend on weights");
        bool byInput = n.Emit.Opset >= 11;
        if (byInput && (IsComputed(n.Node.Input(1)) || IsComputed(n.Node.Input(2))))
        {
            var gradient = n.DY;
            if (n.Node.Input(1) is { } min) gradient = n.Emit.Mul(gradient, n.Emit.Mask(n.Emit.Op("Greater", [n.Y(), min])));
            if (n.Node.Input(2) is { } max) gradient = n.Emit.Mul(gradient, n.Emit.Mask(n.Emit.Op("Less", [n.Y(), max])));
            n.GiveIfNeeded(0, () => gradient);
            return;
        }

        Limited(n, Limit(1, "min"), Limit(2, "max"));

        static bool IsComputed(Value? limit) => limit is not null && !(limit.TryGetConstant(out var tensor) && tensor.DataType == DataType.Float);

        float? Limit(int index, string name) => byInput
            ? n.Node.Input(index) is { } input && input.TryGetConstant(out var limit) ? limit.AsSpan<float>()[0] : null
            : n.Attributes.Has(name) ? n.Attributes.Float(name, 0) : null;
    }

    /// <summary>∂x = ∂y·(x &gt; 0 ? 1 : slope), ∂slope = Σ ∂y·min(x, 0).</summary>
    private static void PRelu(NodeGradient n)
    {
        var emit = n.Emit;
        var positive = emit.MaskGreater(n.X(0), 0);
        var negative = emit.OneMinus(positive);
        n.GiveIfNeeded(0, () => emit.Mul(n.DY, emit.Add(positive, emit.Mul(negative, n.X(1)))));
        n.GiveIfNeeded(1, () => emit.SumTo(emit.Mul(emit.Mul(n.DY, n.X(0)), negative), n.Dims(n.Y()), n.Dims(n.X(1))));
    }
}
