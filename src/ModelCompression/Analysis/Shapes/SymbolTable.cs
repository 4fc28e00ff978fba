using System.Globalization;
using System.Text;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes;

/// <summary>
/// Arithmetic on dimensions. Sizes computed from symbols become symbols themselves, written as the formula (<c>4*N+1</c>);
/// the same formula always gets the same symbol. A result that cannot be expressed is unknown.
/// </summary>
internal sealed class SymbolTable
{
    private const int MaxFormulaLength = 60;

    private readonly List<string> atomNames = [];
    private readonly Dictionary<string, Polynomial> bySymbol = new(StringComparer.Ordinal);
    private readonly Dictionary<Polynomial, string> byPolynomial = [];
    private readonly Dictionary<int, (Polynomial Numerator, long Divisor)> quotients = [];
    private readonly Dictionary<(string, Polynomial, Polynomial), Polynomial> functions = [];

    private int suffix;

    /// <summary>Number of atoms issued so far; later ones have higher numbers.</summary>
    public int AtomCount => atomNames.Count;

    /// <summary>True if the symbol is made only of atoms older than <paramref name="atomCount"/>.</summary>
    public bool IsOlderThan(Amount amount, int atomCount) =>
        amount.IsKnown || (amount.Symbol is not null && Read(amount)!.Terms.All(t => t.Atoms.All(a => a < atomCount)));

    /// <summary>Makes a symbol the model itself uses known, so that no formula is confused with it.</summary>
    public void Declare(string symbol)
    {
        if (!bySymbol.ContainsKey(symbol)) NewAtom(symbol);
    }

    /// <summary>A new symbol for a size that is not expressible otherwise, called <paramref name="name"/> if that is free.</summary>
    public Amount Fresh(string name) => new Amount(null, atomNames[NewAtom(Unused(name))]);

    public Amount Add(Amount a, Amount b) => Combine(a, b, (x, y) => Polynomial.AddScaled(x, y, 1));

    /// <summary>Product of sizes; 1 for none.</summary>
    public Amount Product(IEnumerable<Dimension> sizes) => sizes.Aggregate((Amount)1, (product, size) => Multiply(product, size));

    public Amount Subtract(Amount a, Amount b) => Combine(a, b, (x, y) => Polynomial.AddScaled(x, y, -1));

    public Amount Multiply(Amount a, Amount b) =>
        a.Size == 0 || b.Size == 0 ? 0 : Combine(a, b, Polynomial.Multiply);

    /// <summary>a/b where b is known to divide a; unknown when that cannot be shown by formula.</summary>
    public Amount DivideExactly(Amount a, Amount b) => b.Size == 0 ? default : Combine(a, b, Polynomial.DivideExactly);

    /// <summary>⌊a/b⌋.</summary>
    public Amount FloorDivide(Amount a, Amount b)
    {
        if (b.Size == 0 || b.Size < 0 || Read(a) is not { } x) return default;
        if (DivideExactly(a, b) is { } exact && (exact.IsKnown || exact.Symbol is not null)) return exact;
        if (b.Size is not { } divisor) return Read(b) is { } y ? Function("floor_div", x, y) : default;
        try
        {
            var (quotient, rest) = x.SplitBy(divisor);
            return Polynomial.AddScaled(quotient, FloorAtom(rest, divisor), 1) is { } sum ? Write(sum) : default;
        }
        catch (OverflowException)
        {
            return default;
        }
    }

    /// <summary>⌈a/b⌉.</summary>
    public Amount CeilingDivide(Amount a, Amount b) => FloorDivide(Subtract(Add(a, b), 1), b);

    /// <summary>True if the number cannot be negative.</summary>
    public bool IsNonNegative(Amount a) => Read(a)?.IsNonNegative ?? false;

    /// <summary>The larger of two.</summary>
    public Amount Max(Amount a, Amount b) => Extreme(a, b, "max");

    /// <summary>The smaller of two.</summary>
    public Amount Min(Amount a, Amount b) => Extreme(a, b, "min");

    /// <summary>a − b if it is a known number although a and b need not be.</summary>
    public long? Difference(Amount a, Amount b) => Subtract(a, b).Size;

    private Amount Extreme(Amount a, Amount b, string name)
    {
        if (Read(a) is not { } x || Read(b) is not { } y) return default;
        if (Difference(a, b) is { } d) return (d >= 0) == (name == "max") ? a : b;
        if (Polynomial.AddScaled(x, y, -1) is { IsNonNegative: true }) return name == "max" ? a : b;
        if (Polynomial.AddScaled(y, x, -1) is { IsNonNegative: true }) return name == "max" ? b : a;
        return !x.IsNonNegative || !y.IsNonNegative ? default
            : string.CompareOrdinal(a.ToString(), b.ToString()) <= 0 ? Function(name, x, y) : Function(name, y, x);
    }

    private Polynomial FloorAtom(Polynomial rest, long divisor)
    {
        if (rest.Constant is { } constant) return Polynomial.OfConstant(constant / divisor);
        // ⌊(⌊x/a⌋ + c)/b⌋ = ⌊(x + c·a)/(a·b)⌋ keeps chains of strided layers short.
        var withoutConstant = Polynomial.AddScaled(rest, Polynomial.OfConstant(1), -rest.ConstantTerm)!;
        if (withoutConstant.Atom is { } atom && quotients.TryGetValue(atom, out var inner))
        {
            var numerator = Polynomial.AddScaled(inner.Numerator, Polynomial.OfConstant(1), checked(rest.ConstantTerm * inner.Divisor))!;
            return Read(FloorDivide(Write(numerator), checked(inner.Divisor * divisor)))!;
        }

        var key = ("floor", rest, Polynomial.OfConstant(divisor));
        if (!functions.TryGetValue(key, out var result))
        {
            int issued = NewAtom(Unused(Short($"floor(({Format(rest)})/{divisor.ToString(CultureInfo.InvariantCulture)})")));
            quotients[issued] = (rest, divisor);
            functions[key] = result = Polynomial.OfAtom(issued);
        }

        return result;
    }

    private Amount Function(string name, Polynomial a, Polynomial b)
    {
        if (!a.IsNonNegative || !b.IsNonNegative) return default;
        if (!functions.TryGetValue((name, a, b), out var result))
            functions[(name, a, b)] = result = Polynomial.OfAtom(NewAtom(Unused(Short($"{name}({Format(a)},{Format(b)})"))));
        return Write(result);
    }

    private Amount Combine(Amount a, Amount b, Func<Polynomial, Polynomial, Polynomial?> operation)
    {
        if (Read(a) is not { } x || Read(b) is not { } y) return default;
        try
        {
            return operation(x, y) is { } result ? Write(result) : default;
        }
        catch (OverflowException)
        {
            return default;
        }
    }

    private Polynomial? Read(Amount amount)
    {
        if (amount.Size is { } size) return Polynomial.OfConstant(size);
        if (amount.Symbol is not { } symbol) return null;
        Declare(symbol);
        return bySymbol[symbol];
    }

    private Amount Write(Polynomial polynomial)
    {
        if (polynomial.Constant is { } constant) return constant;
        if (polynomial.Atom is { } atom) return new Amount(null, atomNames[atom]);
        if (!byPolynomial.TryGetValue(polynomial, out string? symbol))
        {
            symbol = Unused(Short(Format(polynomial)));
            byPolynomial.Add(polynomial, symbol);
            bySymbol.Add(symbol, polynomial);
        }

        return new Amount(null, symbol);
    }

    private int NewAtom(string name)
    {
        atomNames.Add(name);
        bySymbol.Add(name, Polynomial.OfAtom(atomNames.Count - 1));
        return atomNames.Count - 1;
    }

    private string Unused(string formula)
    {
        string name = formula;
        while (bySymbol.ContainsKey(name)) name = FormattableString.Invariant($"{formula}#{++suffix}");
        return name;
    }

    private static string Short(string formula) => formula.Length > MaxFormulaLength ? "size" : formula;

    private string Format(Polynomial polynomial)
    {
        var text = new StringBuilder();
        foreach (var (atoms, factor) in polynomial.Terms)
        {
            if (factor > 0 && text.Length > 0) text.Append('+');
            string product = string.Join('*', atoms.Select(a => atomNames[a]));
            if (atoms.Length == 0) text.Append(CultureInfo.InvariantCulture, $"{factor}");
            else if (factor == 1) text.Append(product);
            else if (factor == -1) text.Append('-').Append(product);
            else text.Append(CultureInfo.InvariantCulture, $"{factor}*{product}");
            if (text.Length > MaxFormulaLength) break;
        }

        return text.ToString();
    }
}
