using FsCheck;
using FsCheck.Fluent;
using ModelCompression.Numerics.NBits;

namespace ModelCompression.Tests.Numerics.NBits;

/// <summary>The vectorised search and rounding against the definitions, element by element.</summary>
[TestClass]
public sealed class MapSearchTests
{
    private static readonly Gen<(int Length, GroupCodes Codes, int Seed)> Cases =
        from length in Gen.Frequency((3, Gen.Choose(1, 70)), (1, Gen.Choose(4000, 9000)))
        from bits in Gen.Choose(2, 8)
        from kind in Gen.Elements(GroupCodeKind.Symmetric, GroupCodeKind.Asymmetric, GroupCodeKind.PowerOfTwo)
        from fine in Gen.Elements(true, false)
        from seed in Gen.Choose(0, int.MaxValue)
        select (length, new GroupCodes(bits, kind, fine ? GroupCodes.FineZeroSteps(bits) : 1), seed);

    [TestMethod]
    public void Codes_EqualTheScalarOracle() => Prop.ForAll(Cases.ToArbitrary(), c =>
    {
        float[] x = Elements(c.Length, c.Seed);
        var map = MapSearch.Find(x, c.Codes);
        byte[] codes = new byte[x.Length];
        double noise = GroupRounding.ToNearest(x, map, c.Codes.Highest, codes), expected = 0;
        for (int i = 0; i < x.Length; i++)
        {
            float code = Math.Clamp(MathF.Round((x[i] / map.Scale) + map.Zero), 0, c.Codes.Highest);
            Assert.AreEqual((byte)code, codes[i], $"{c.Codes} {map} element {i} = {x[i]:R}");
            expected += Math.Pow(x[i] - ((code - map.Zero) * map.Scale), 2);
        }

        Assert.AreEqual(expected, noise, 1e-5 * expected);
    }).QuickCheckThrowOnFailure();

    [TestMethod]
    public void Sums_EqualTheScalarOracle() => Prop.ForAll(Cases.ToArbitrary(), c =>
    {
        float[] x = Elements(c.Length, c.Seed);
        var map = MapSearch.Find(x, c.Codes);
        var sums = FitSums.Of(x, map, c.Codes.Highest);
        double[] q = Array.ConvertAll(x, v => (double)Math.Clamp(MathF.Round((v * (1 / map.Scale)) + map.Zero), 0, c.Codes.Highest) - map.Zero);
        double[] e = [.. x.Select((v, i) => v - (q[i] * map.Scale))];
        double size = e.Sum(Math.Abs) + 1e-30;
        Assert.AreEqual(e.Sum(), sums.E, 1e-4 * size);
        Assert.AreEqual(e.Sum(v => v * v), sums.EE, 1e-4 * e.Sum(v => v * v));
        Assert.AreEqual(q.Sum(), sums.Q, 1e-4 * q.Sum(Math.Abs));
        Assert.AreEqual(q.Sum(v => v * v), sums.QQ, 1e-4 * q.Sum(v => v * v));
        Assert.AreEqual(e.Zip(q, (a, b) => a * b).Sum(), sums.EQ, 1e-4 * e.Zip(q, (a, b) => Math.Abs(a * b)).Sum());
    }).QuickCheckThrowOnFailure();

    [TestMethod]
    public void Map_LosesNoMoreThanTheFullRangeDoes_AndIsOfItsKind() => Prop.ForAll(Cases.ToArbitrary(), c =>
    {
        float[] x = Elements(c.Length, c.Seed);
        var map = MapSearch.Find(x, c.Codes);
        float largest = x.Max(Math.Abs);
        var (full, kept) = c.Codes.Kind switch
        {
            GroupCodeKind.PowerOfTwo => (new GroupMap(MathF.ScaleB(1, (int)Math.Ceiling(Math.Log2(largest / (c.Codes.Middle - 0.5)))), c.Codes.Middle), map.Scale == MathF.ScaleB(1, (int)Math.Round(Math.Log2(map.Scale))) && map.Zero == c.Codes.Middle),
            GroupCodeKind.Asymmetric => (Covering(x, c.Codes), map.Scale > 0 && map.Zero >= 0 && map.Zero < c.Codes.Highest + 1 && map.Zero * c.Codes.ZeroSteps == MathF.Round(map.Zero * c.Codes.ZeroSteps)),
            _ => (new GroupMap(-x.MaxBy(Math.Abs) / c.Codes.Middle, c.Codes.Middle), map.Zero == c.Codes.Middle),
        };
        Assert.IsTrue(kept, $"{c.Codes} {map}");
        double found = FitSums.Of(x, map, c.Codes.Highest).EE, plain = FitSums.Of(x, full, c.Codes.Highest).EE;
        Assert.IsLessThanOrEqualTo((plain * 1.0001) + (1e-9 * largest * largest), found, $"{c.Codes} length {c.Length}: {map} against {full}");
    }).QuickCheckThrowOnFailure();

    [TestMethod]
    [DataRow(2, 2.0)]
    [DataRow(3, 1.0)]
    [DataRow(4, 0.5)]
    public void LongGroups_GainByCutting(int bits, double leastGainDb)
    {
        float[] x = Elements(4096, 5);
        var codes = new GroupCodes(bits, GroupCodeKind.Symmetric);
        double plain = FitSums.Of(x, new(-x.MaxBy(Math.Abs) / codes.Middle, codes.Middle), codes.Highest).EE;
        double found = FitSums.Of(x, MapSearch.Find(x, codes), codes.Highest).EE;
        Assert.IsGreaterThan(leastGainDb, 10 * Math.Log10(plain / found));
    }

    [TestMethod]
    public void GroupsOfZerosAndVanishingNumbers_HaveAUsableMap()
    {
        foreach (var kind in Enum.GetValues<GroupCodeKind>())
        {
            foreach (float value in new[] { 0f, 1e-42f, -3e-39f })
            {
                float[] x = [.. Enumerable.Repeat(value, 20)];
                var map = MapSearch.Find(x, new(4, kind));
                byte[] codes = new byte[20];
                GroupRounding.ToNearest(x, map, 15, codes);
                Assert.AreEqual(0f, (codes[3] - map.Zero) * map.Scale);
            }
        }
    }

    private static GroupMap Covering(float[] x, GroupCodes codes)
    {
        float min = Math.Min(0, x.Min()), max = Math.Max(0, x.Max());
        float scale = (max - min) / codes.Highest;
        return new(scale, MathF.Round(-min / scale * codes.ZeroSteps) / codes.ZeroSteps);
    }

    /// <summary>About normal, with a few outliers, as trained weights are.</summary>
    private static float[] Elements(int count, int seed)
    {
        var random = new Random(seed);
        double size = Math.Pow(10, (random.NextDouble() * 8) - 6), shift = random.Next(3) - 1;
        return [.. Enumerable.Range(0, count).Select(_ => (float)(size * (Enumerable.Range(0, 6).Sum(_ => random.NextDouble() - 0.5) + (0.3 * shift)) * (random.Next(100) == 0 ? 3 : 1)))];
    }
}
