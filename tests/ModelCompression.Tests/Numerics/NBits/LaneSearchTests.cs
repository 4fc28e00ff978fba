using System.Runtime.Intrinsics;
using ModelCompression.Numerics.NBits;

namespace ModelCompression.Tests.Numerics.NBits;

[TestClass]
public sealed class LaneSearchTests
{
    [TestMethod]
    [DataRow(1, false), DataRow(7, false), DataRow(16, false), DataRow(32, false), DataRow(33, false), DataRow(64, false)]
    [DataRow(1, true), DataRow(7, true), DataRow(16, true), DataRow(32, true), DataRow(33, true), DataRow(64, true)]
    public void Maps_AreAsGoodAsThoseOfTheSearchGroupByGroup(int length, bool isAsymmetric)
    {
        for (int seed = 0; seed < 50; seed++)
        {
            var random = new Random((length * 100) + seed);
            int bits = 2 + (seed % 7);
            float[] x = [.. Enumerable.Range(0, LaneTile.Lanes * length).Select(_ => (float)(Math.Pow(10, (seed % 9) - 6) * (Enumerable.Range(0, 6).Sum(_ => random.NextDouble() - 0.45) * (random.Next(40) == 0 ? 4 : 1))))];
            var codes = new GroupCodes(bits, isAsymmetric ? GroupCodeKind.Asymmetric : GroupCodeKind.Symmetric);
            var zeros = Vector512.Create((float)codes.Middle);
            var scales = isAsymmetric ? LaneZeroSearch.Find(Columns(x, length), codes, out zeros) : LaneSearch.Find(Columns(x, length), codes);
            for (int lane = 0; lane < LaneTile.Lanes; lane++)
            {
                var group = x.AsSpan(lane * length, length);
                double energy = 0;
                foreach (float v in group) energy += (double)v * v;
                double scalar = FitSums.Of(group, MapSearch.Find(group, codes), codes.Highest).EE, found = FitSums.Of(group, new(scales[lane], zeros[lane]), codes.Highest).EE;
                // Sums are in binary32: what is left of the energy is known to 10⁻⁵ of it.
                Assert.IsTrue(zeros[lane] >= 0 && zeros[lane] <= codes.Highest && zeros[lane] == MathF.Round(zeros[lane]), zeros.ToString());
                Assert.IsLessThanOrEqualTo((1.02 * scalar) + (1e-5 * energy), found, $"{bits} bits, lane {lane}: {scales[lane]}");
            }
        }
    }

    /// <summary>Long groups try fewer cuts, so that one alone may lose more; together they lose as little.</summary>
    [TestMethod]
    [DataRow(65, false), DataRow(128, false), DataRow(201, false), DataRow(256, false), DataRow(65, true), DataRow(128, true), DataRow(201, true), DataRow(256, true)]
    public void MapsOfLongGroups_AreAsGoodTogetherAsThoseOfTheSearchGroupByGroup(int length, bool isAsymmetric)
    {
        for (int bits = 2; bits <= 8; bits++)
        {
            double scalar = 0, found = 0;
            for (int seed = 0; seed < 20; seed++)
            {
                var random = new Random((length * 100) + seed);
                float[] x = [.. Enumerable.Range(0, LaneTile.Lanes * length).Select(_ => (float)(Enumerable.Range(0, 6).Sum(_ => random.NextDouble() - 0.45) * (random.Next(40) == 0 ? 4 : 1)))];
                var codes = new GroupCodes(bits, isAsymmetric ? GroupCodeKind.Asymmetric : GroupCodeKind.Symmetric);
                var zeros = Vector512.Create((float)codes.Middle);
                var scales = isAsymmetric ? LaneZeroSearch.Find(Columns(x, length), codes, out zeros) : LaneSearch.Find(Columns(x, length), codes);
                for (int lane = 0; lane < LaneTile.Lanes; lane++)
                {
                    var group = x.AsSpan(lane * length, length);
                    double one = FitSums.Of(group, MapSearch.Find(group, codes), codes.Highest).EE, other = FitSums.Of(group, new(scales[lane], zeros[lane]), codes.Highest).EE;
                    Assert.IsLessThanOrEqualTo(2 * one, other, $"{bits} bits, lane {lane}: {scales[lane]}");
                    (scalar, found) = (scalar + one, found + other);
                }
            }

            Assert.IsLessThanOrEqualTo(1.01 * scalar, found, $"{bits} bits");
        }
    }

    [TestMethod]
    public void GroupsOfZerosAndVanishingNumbers_HaveAUsableMap()
    {
        float[] x = new float[LaneTile.Lanes * 32];
        x.AsSpan(32, 32).Fill(1e-42f);
        x.AsSpan(64, 32).Fill(-3e38f);
        x[96] = 5;
        var scales = LaneSearch.Find(Columns(x, 32), new(4, GroupCodeKind.Symmetric));
        for (int lane = 0; lane < LaneTile.Lanes; lane++) Assert.IsTrue(float.IsNormal(scales[lane]), scales.ToString());
        Assert.AreEqual(GroupMap.AnyScale, scales[0]);
        Assert.AreEqual(GroupMap.AnyScale, scales[1]);
        Assert.AreEqual(0, FitSums.Of(x.AsSpan(96, 32), new(scales[3], 8), 15).EE, 1e-9);

        scales = LaneZeroSearch.Find(Columns(x, 32), new(4, GroupCodeKind.Asymmetric), out var zeros);
        for (int lane = 0; lane < LaneTile.Lanes; lane++) Assert.IsTrue(float.IsNormal(scales[lane]), scales.ToString());
        Assert.AreEqual((GroupMap.AnyScale, 0f), (scales[0], zeros[0]));
        Assert.AreEqual((GroupMap.AnyScale, 0f), (scales[1], zeros[1]));
        Assert.AreEqual(15, zeros[2]);
        Assert.AreEqual(0, FitSums.Of(x.AsSpan(96, 32), new(scales[3], zeros[3]), 15).EE, 1e-9);
    }

    private static Vector512<float>[] Columns(float[] rows, int length)
    {
        var columns = new Vector512<float>[length];
        LaneTile.Load(rows, new(LaneTile.Lanes, length, false, 1, length), 0, LaneTile.Lanes, columns);
        return columns;
    }
}
