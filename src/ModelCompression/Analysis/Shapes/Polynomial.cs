namespace ModelCompression.Analysis.Shapes;

/// <summary>An integer multiple of a product of atoms.</summary>
/// <param name="Atoms">Atoms in ascending order, repeated for powers; empty for the constant term.</param>
/// <param name="Factor">The multiple.</param>
internal sealed record PolynomialTerm(int[] Atoms, long Factor);

/// <summary>
/// A sum of integer multiples of products of atoms, in canonical order: equal sizes written differently compare equal. Immutable.
/// Atoms are non-negative numbers issued by <see cref="SymbolTable"/>.
/// </summary>
internal sealed class Polynomial : IEquatable<Polynomial>
{
    /// <summary>More terms than this are not worth tracking.</summary>
    private const int MaxTermCount = 24;

    private readonly PolynomialTerm[] terms;

    private Polynomial(PolynomialTerm[] terms) => this.terms = terms;

    /// <summary>Terms in descending order of their atoms; the constant term is last.</summary>
    public IReadOnlyList<PolynomialTerm> Terms => terms;

    /// <summary>The value of a polynomial without atoms, or null.</summary>
    public long? Constant => terms.Length == 0 ? 0 : terms.Length == 1 && terms[0].Atoms.Length == 0 ? terms[0].Factor : null;

    /// <summary>The atom if the polynomial is just that, or null.</summary>
    public int? Atom => terms.Length == 1 && terms[0].Factor == 1 && terms[0].Atoms.Length == 1 ? terms[0].Atoms[0] : null;

    /// <summary>True if no term is negative, so that the value cannot be.</summary>
    public bool IsNonNegative => terms.All(t => t.Factor > 0);

    public static Polynomial OfConstant(long value) => new(value == 0 ? [] : [new([], value)]);

    public static Polynomial OfAtom(int atom) => new([new([atom], 1)]);

    /// <summary>a + factor·b, or null when it grows too large.</summary>
    public static Polynomial? AddScaled(Polynomial a, Polynomial b, long factor) =>
        Collect([.. a.terms, .. b.terms.Select(t => t with { Factor = checked(t.Factor * factor) })]);

    /// <summary>a·b, or null when it grows too large.</summary>
    public static Polynomial? Multiply(Polynomial a, Polynomial b) =>
        a.terms.Length * b.terms.Length > MaxTermCount * 4
            ? null
            : Collect([.. a.terms.SelectMany(x => b.terms.Select(y => new PolynomialTerm(Merge(x.Atoms, y.Atoms), checked(x.Factor * y.Factor))))]);

    /// <summary>a / b when b divides a as polynomials, otherwise null.</summary>
    public static Polynomial? DivideExactly(Polynomial a, Polynomial b)
    {
        if (b.terms.Length == 0) return null;
        var quotient = OfConstant(0);
        var rest = a;
        for (int step = 0; rest.terms.Length > 0; step++)
        {
            var (atoms, factor) = rest.terms[0];
            if (step > MaxTermCount || factor % b.terms[0].Factor != 0 || Remove(atoms, b.terms[0].Atoms) is not { } left) return null;
            var part = new Polynomial([new(left, factor / b.terms[0].Factor)]);
            if (AddScaled(quotient, part, 1) is not { } sum || Multiply(part, b) is not { } product || AddScaled(rest, product, -1) is not { } next) return null;
            (quotient, rest) = (sum, next);
        }

        return quotient;
    }

    /// <summary>Splits into a multiple of <paramref name="divisor"/> and a rest whose factors lie in [0, divisor).</summary>
    public (Polynomial Quotient, Polynomial Remainder) SplitBy(long divisor)
    {
        var quotient = new List<PolynomialTerm>();
        var rest = new List<PolynomialTerm>();
        foreach (var (atoms, factor) in terms)
        {
            long remainder = ((factor % divisor) + divisor) % divisor;
            if (factor != remainder) quotient.Add(new(atoms, (factor - remainder) / divisor));
            if (remainder != 0) rest.Add(new(atoms, remainder));
        }

        return (new([.. quotient]), new([.. rest]));
    }

    /// <summary>The constant term.</summary>
    public long ConstantTerm => terms.Length > 0 && terms[^1].Atoms.Length == 0 ? terms[^1].Factor : 0;

    public bool Equals(Polynomial? other) =>
        other is not null && terms.Length == other.terms.Length
        && !terms.Where((t, i) => t.Factor != other.terms[i].Factor || !t.Atoms.AsSpan().SequenceEqual(other.terms[i].Atoms)).Any();

    public override bool Equals(object? obj) => Equals(obj as Polynomial);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var (atoms, factor) in terms)
        {
            hash.Add(factor);
            foreach (int atom in atoms) hash.Add(atom);
        }

        return hash.ToHashCode();
    }

    private static Polynomial? Collect(List<PolynomialTerm> sorted)
    {
        sorted.Sort((a, b) => Compare(b.Atoms, a.Atoms));
        var merged = new List<PolynomialTerm>();
        foreach (var term in sorted)
        {
            if (merged.Count > 0 && Compare(merged[^1].Atoms, term.Atoms) == 0)
                merged[^1] = new(term.Atoms, checked(merged[^1].Factor + term.Factor));
            else
                merged.Add(term);
        }

        merged.RemoveAll(t => t.Factor == 0);
        return merged.Count > MaxTermCount ? null : new([.. merged]);
    }

    /// <summary>Graded lexicographic order: a monomial order, so that exact division by leading terms terminates.</summary>
    private static int Compare(int[] a, int[] b)
    {
        if (a.Length != b.Length) return a.Length.CompareTo(b.Length);
        // Atoms are ascending inside a term; the term with the smaller first atom is the larger one.
        return -a.AsSpan().SequenceCompareTo(b);
    }

    private static int[] Merge(int[] a, int[] b)
    {
        int[] merged = [.. a, .. b];
        Array.Sort(merged);
        return merged;
    }

    private static int[]? Remove(int[] atoms, int[] removed)
    {
        var left = atoms.ToList();
        foreach (int atom in removed)
            if (!left.Remove(atom)) return null;
        return [.. left];
    }
}
