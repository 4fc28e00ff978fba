using ModelCompression.Pipeline.Search;

namespace ModelCompression.Tests.Pipeline.Search;

[TestClass]
public sealed class LayerCurveTests
{
    [TestMethod]
    public void Hull_KeepsOnlyWhatSomeTradeOffPrefers()
    {
        CurvePoint[] points = [new(0, 10, 1), new(1, 20, 0.8), new(2, 30, 0.2), new(3, 40, 0.3), new(4, 50, 0.1)];

        var hull = LayerCurve.Hull(points);

        CollectionAssert.AreEqual(new[] { 0, 2, 4 }, hull.Select(p => p.Method).ToArray());
    }

    [TestMethod]
    public void Allocate_RandomCurves_IsWithinOneStepOfTheExhaustiveOptimum()
    {
        var random = new Random(7);
        for (int run = 0; run < 40; run++)
        {
            var layers = Enumerable.Range(0, 4).Select(_ => Curve(random)).ToArray();
            double target = layers.Sum(l => l[0].Noise) * random.NextDouble();
            var hulls = layers.Select(l => (IReadOnlyList<CurvePoint>)LayerCurve.Hull(l)).ToArray();
            double best = Combinations(layers).Where(c => c.Sum(p => p.Noise) <= target).Select(c => c.Sum(p => p.Bytes)).DefaultIfEmpty(double.NaN).Min();
            if (double.IsNaN(best)) continue;

            var chosen = LayerCurve.Allocate(hulls, target);

            Assert.IsLessThanOrEqualTo(target, chosen.Sum(p => p.Noise));
            // The Lagrangian solution is off by less than one step of one layer.
            double step = hulls.Max(h => h.Zip(h.Skip(1), (a, b) => b.Bytes - a.Bytes).DefaultIfEmpty(0).Max());
            Assert.IsLessThanOrEqualTo(best + step, chosen.Sum(p => p.Bytes));
        }
    }

    private static CurvePoint[] Curve(Random random)
    {
        double size = random.Next(10, 1000), gain = random.NextDouble();
        return [.. Enumerable.Range(2, 6).Select((bits, i) => new CurvePoint(i, size * bits * (0.8 + (0.4 * random.NextDouble())), gain * Math.Pow(4, -bits) * (0.5 + random.NextDouble())))];
    }

    private static IEnumerable<CurvePoint[]> Combinations(CurvePoint[][] layers) =>
        layers.Aggregate((IEnumerable<CurvePoint[]>)[[]], (so, layer) => so.SelectMany(c => layer.Select(p => c.Append(p).ToArray())));
}
