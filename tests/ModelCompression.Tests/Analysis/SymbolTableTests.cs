using ModelCompression.Analysis.Shapes;

namespace ModelCompression.Tests.Analysis;

[TestClass]
public sealed class SymbolTableTests
{
    /// <summary>
    /// Random formulas over three symbols are computed symbolically and, for random sizes, numerically. Whenever the table claims to know a
    /// difference, an order or equality, the numbers must agree.
    /// </summary>
    [TestMethod]
    public void Arithmetic_AgreesWithNumbers()
    {
        var random = new Random(20240501);
        int known = 0;
        for (int round = 0; round < 4000; round++)
        {
            var table = new SymbolTable();
            long[] sizes = [random.Next(0, 40), random.Next(0, 40), random.Next(0, 40)];
            var terms = new List<(Amount Symbolic, long Number)> { (new(null, "a"), sizes[0]), (new(null, "b"), sizes[1]), (new(null, "c"), sizes[2]) };
            for (int step = 0; step < 12; step++)
            {
                if (Next(table, random, terms) is { Symbolic.IsStated: true } made) terms.Add(made);
            }

            foreach (var (x, number) in terms)
            {
                if (x.Size is { } size) Assert.AreEqual(number, size);
                if (table.IsNonNegative(x)) Assert.IsGreaterThanOrEqualTo(0, number, $"{x} for {string.Join(',', sizes)}");
                foreach (var (y, other) in terms)
                {
                    if (x == y) Assert.AreEqual(number, other, $"{x} for {string.Join(',', sizes)}");
                    if (table.Difference(x, y) is not { } difference) continue;
                    known += x == y ? 0 : 1;
                    Assert.AreEqual(number - other, difference, $"{x} - {y} for {string.Join(',', sizes)}");
                }
            }
        }

        Assert.IsGreaterThan(1000, known, "hardly any difference was known: the test says nothing");
    }

    [TestMethod]
    public void Formula_LikeADeclaredSymbol_GetsAnotherName()
    {
        var table = new SymbolTable();
        table.Declare("2*N");
        var doubled = table.Multiply(new Amount(null, "N"), 2);
        Assert.AreNotEqual("2*N", doubled.Symbol);
        Assert.IsNull(table.Difference(doubled, new Amount(null, "2*N")));
    }

    [TestMethod]
    public void Overflow_IsUnknown()
    {
        var table = new SymbolTable();
        Assert.IsFalse(table.Multiply(long.MaxValue, 3).IsStated);
        Assert.IsFalse(table.Add(table.Multiply(new Amount(null, "N"), long.MaxValue), table.Multiply(new Amount(null, "N"), 2)).IsStated);
    }

    private static (Amount Symbolic, long Number) Next(SymbolTable table, Random random, List<(Amount Symbolic, long Number)> terms)
    {
        var (x, a) = terms[random.Next(terms.Count)];
        var (y, b) = terms[random.Next(terms.Count)];
        long constant = random.Next(1, 7);
        return random.Next(9) switch
        {
            0 => (table.Add(x, y), a + b),
            1 => (table.Subtract(x, y), a - b),
            2 => (table.Add(x, constant), a + constant),
            3 => (table.Multiply(x, constant), a * constant),
            4 => Math.Abs(a * b) < 1_000_000 ? (table.Multiply(x, y), a * b) : (x, a),
            5 => (table.FloorDivide(x, constant), (long)Math.Floor((double)a / constant)),
            6 => (table.CeilingDivide(x, constant), (long)Math.Ceiling((double)a / constant)),
            7 => (table.Max(x, y), Math.Max(a, b)),
            _ => (table.Min(x, y), Math.Min(a, b)),
        };
    }
}
