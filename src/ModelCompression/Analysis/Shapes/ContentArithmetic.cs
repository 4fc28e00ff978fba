using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes;

/// <summary>Arithmetic on contents, on numbers and symbols alike.</summary>
internal static class ContentArithmetic
{
    /// <summary>Elementwise operators; null for those that do not occur in shape computations.</summary>
    public static Content? Elementwise(NodeInference n, Content x)
    {
        bool isInteger = n.ElementOf(0) is not (DataType.Float or DataType.Double or DataType.Float16 or DataType.BFloat16);
        var s = n.Symbols;
        Func<Element[], Element>? function = n.Node.OpType switch
        {
            "Add" => e => Both(e, s.Add, (a, b) => a + b),
            "Sub" => e => Both(e, s.Subtract, (a, b) => a - b),
            "Mul" => e => Both(e, s.Multiply, (a, b) => a * b),
            "Div" => e => Divide(s, e[0], e[1], isInteger),
            "Mod" => e => e[0].Integer.Size is { } a && e[1].Integer.Size is { } b && b != 0 ? Element.Of(n.Attributes.Int("fmod", 0) != 0 ? a % b : ((a % b) + b) % b) : default,
            "Min" => e => e.Aggregate((a, b) => Both([a, b], s.Min, Math.Min)),
            "Max" => e => e.Aggregate((a, b) => Both([a, b], s.Max, Math.Max)),
            "Neg" => e => Both([Element.OfNumber(0), e[0]], s.Subtract, (a, b) => a - b),
            "Abs" => e => e[0].Number is { } v ? Element.OfNumber(Math.Abs(v)) : s.IsNonNegative(e[0].Integer) ? e[0] : default,
            "Floor" => e => e[0].Real is { } v ? Element.OfNumber(Math.Floor(v)) : e[0],
            "Ceil" => e => e[0].Real is { } v ? Element.OfNumber(Math.Ceiling(v)) : e[0],
            "Sqrt" => e => e[0].Number is >= 0 and { } v && Math.Sqrt(v) is var root && root == Math.Floor(root) ? Element.OfNumber(root) : default,
            "Not" => e => e[0].Number is { } v ? Element.OfNumber(v == 0 ? 1 : 0) : default,
            "And" => e => Both(e, (_, _) => default, (a, b) => a != 0 && b != 0 ? 1 : 0),
            "Or" => e => Both(e, (_, _) => default, (a, b) => a != 0 || b != 0 ? 1 : 0),
            "Equal" => e => Compare(s, e, d => d == 0),
            "Less" => e => Compare(s, e, d => d < 0),
            "LessOrEqual" => e => Compare(s, e, d => d <= 0),
            "Greater" => e => Compare(s, e, d => d > 0),
            "GreaterOrEqual" => e => Compare(s, e, d => d >= 0),
            _ => null,
        };
        if (function is null) return null;
        // Old opsets broadcast along a stated axis; shape computations of that age do not.
        if (n.Opset < 7 && n.Attributes.Has("broadcast")) return null;
        var result = Broadcast([x, .. Enumerable.Range(1, n.Node.Inputs.Count - 1).Select(i => ContentRules.Input(n, i))], function);
        return n.ElementOf(0) == DataType.Float ? ToSingle(result) : result;
    }

    /// <summary>Rounds as the runtime does, which decides what Floor and Ceil yield next.</summary>
    private static Content? ToSingle(Content? content) => content is null
        ? null
        : content with { Elements = [.. content.Elements.Select(e => e.Real is { } v ? Element.OfNumber((float)v) : e)] };

    /// <summary>Applies a function to broadcast contents of rank 0 and 1; null for higher ranks.</summary>
    public static Content? Broadcast(Content?[] inputs, Func<Element[], Element> function)
    {
        if (Array.Exists(inputs, c => c is null)) return null;
        var widest = inputs.MaxBy(c => (c!.Elements.Length == 0 ? -1 : c.Elements.Length, c.Rank))!;
        if (inputs.Any(c => c!.Rank > 1 && !c.Dims.AsSpan().SequenceEqual(widest.Dims))) return null;
        if (inputs.Any(c => c!.Elements.Length != 1 && c.Elements.Length != widest.Elements.Length)) return null;
        int rank = inputs.Max(c => c!.Rank);
        var elements = new Element[widest.Elements.Length];
        for (int i = 0; i < elements.Length; i++)
            elements[i] = function([.. inputs.Select(c => c!.Elements[c.Elements.Length == 1 ? 0 : i])]);
        return new(widest.Rank == rank ? widest.Dims : [elements.Length], elements);
    }

    /// <summary>Reduction of all elements.</summary>
    public static Content? Reduce(NodeInference n, Content x, Shape? output)
    {
        if (Content.OfShape(output) is not { Elements.Length: 1 } target || x.Elements.Length == 0) return null;
        var s = n.Symbols;
        var result = x.Elements.Aggregate((a, b) => n.Node.OpType switch
        {
            "ReduceProd" => Both([a, b], s.Multiply, (p, q) => p * q),
            "ReduceSum" => Both([a, b], s.Add, (p, q) => p + q),
            "ReduceMax" => Both([a, b], s.Max, Math.Max),
            _ => Both([a, b], s.Min, Math.Min),
        });
        return target with { Elements = [result] };
    }

    private static Element Both(Element[] e, Func<Amount, Amount, Amount> symbolic, Func<double, double, double> numeric)
    {
        if (e[0].IsUnknown || e[1].IsUnknown) return default;
        if (e[0].Real is null && e[1].Real is null && Element.Of(symbolic(e[0].Integer, e[1].Integer)) is { IsUnknown: false } result) return result;
        return e[0].Number is { } a && e[1].Number is { } b ? Element.OfNumber(numeric(a, b)) : default;
    }

    /// <summary>Integers are divided towards zero; for symbols that equals ⌊⌋ because sizes are not negative.</summary>
    private static Element Divide(SymbolTable symbols, Element a, Element b, bool isInteger)
    {
        if (a.Number is { } x && b.Number is { } y)
            return y == 0 ? default : Element.OfNumber(isInteger ? Math.Truncate(x / y) : x / y);
        if (a.Real is not null || b.Real is not null) return default;
        var exact = symbols.DivideExactly(a.Integer, b.Integer);
        if (exact.IsKnown || exact.Symbol is not null) return Element.Of(exact);
        return isInteger && symbols.IsNonNegative(a.Integer) ? Element.Of(symbols.FloorDivide(a.Integer, b.Integer)) : default;
    }

    private static Element Compare(SymbolTable symbols, Element[] e, Func<double, bool> holds)
    {
        double? difference = e[0].Number is { } a && e[1].Number is { } b ? a - b
            : e[0].Real is null && e[1].Real is null ? symbols.Difference(e[0].Integer, e[1].Integer) : null;
        return difference is { } d ? Element.OfNumber(holds(d) ? 1 : 0) : default;
    }
}
