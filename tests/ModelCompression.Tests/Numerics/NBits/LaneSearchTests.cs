using System.Runtime.Intrinsics;
using ModelCompression.Numerics.NBits;

namespace ModelCompression.Tests.Numerics.NBits;

[TestClass]
public sealed class LaneSearchTests
{
    [TestMethod]
    [DataRow(1), DataRow(7), DataRow(16), DataRow(32), DataRow(33), DataRow(64)]
    public void Scales_AreAsGoodAsThoseOfTheSearchGroupByGroup(int length)
    {
        for (int seed = 0; seed < 50; seed++)
        {
            var random = new Random((length * 100) + seed);
            int bits = 2 + (seed % 7);
            float[] x = [.. Enumerable.Range(0, LaneTile.Lanes * length).Select(_ => (float)(Math.Pow(10, (seed % 9) - 6) * (Enumerable.Range(0, 6).Sum(_ => random.NextDouble() - 0.45) * (random.Next(40) == 0 ? 4 : 1))))];
            var codes = new GroupCodes(bits, GroupCodeKind.Symmetric);
            var scales = LaneSearch.Find(Columns(x, length), codes);
            for (int lane = 0; lane < LaneTile.Lanes; lane++)
            {
                var group = x.AsSpan(lane * length, length);
                double energy = 0;
                foreach (float v in group) energy += (double)v * v;
                double scalar = FitSums.Of(group, MapSearch.Find(group, codes), codes.Highest).EE, found = FitSums.Of(group, new(scales[lane], codes.Middle), codes.Highest).EE;
                // Sums are in binary32: what is left of the energy is known to 10⁻⁵ of it.
                Assert.IsLessThanOrEqualTo((1.02 * scalar) + (1e-5 * energy), found, $"{bits} bits, lane {lane}: {scales[lane]}");
            }
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
    }

    private static Vector512<float>[] Columns(float[] rows, int length)
    {
        var columns = new Vector512<float>[length];
        LaneTile.Load(rows, new(LaneTile.Lanes, length, false, 1, length), 0, LaneTile.Lanes, columns);
        return columns;
    }
}
