using ModelCompression.Numerics.NBits;

namespace ModelCompression.Tests.Numerics.NBits;

[TestClass]
public sealed class LaneSearchTests
{
    [TestMethod]
    [DataRow(1), DataRow(7), DataRow(16), DataRow(32), DataRow(33), DataRow(64)]
    public void Maps_AreAsGoodAsThoseOfTheSearchGroupByGroup(int length)
    {
        for (int seed = 0; seed < 50; seed++)
        {
            var random = new Random((length * 100) + seed);
            int bits = 2 + (seed % 7), stride = length + random.Next(20);
            float[] x = [.. Enumerable.Range(0, 8 * stride).Select(_ => (float)(Math.Pow(10, (seed % 9) - 6) * (Enumerable.Range(0, 6).Sum(_ => random.NextDouble() - 0.45) * (random.Next(40) == 0 ? 4 : 1))))];
            var codes = new GroupCodes(bits, GroupCodeKind.Symmetric);
            var maps = new GroupMap[24];
            LaneSearch.Find(x, stride, length, codes, maps, 3);
            for (int lane = 0; lane < 8; lane++)
            {
                var group = x.AsSpan(lane * stride, length);
                double energy = 0;
                foreach (float v in group) energy += (double)v * v;
                double scalar = FitSums.Of(group, MapSearch.Find(group, codes), codes.Highest).EE, found = FitSums.Of(group, maps[lane * 3], codes.Highest).EE;
                Assert.AreEqual(codes.Middle, maps[lane * 3].Zero);
                // Sums are in binary32: what is left of the energy is known to 10⁻⁵ of it.
                Assert.IsLessThanOrEqualTo((1.02 * scalar) + (1e-5 * energy), found, $"{bits} bits, lane {lane}: {maps[lane * 3]}");
            }
        }
    }

    [TestMethod]
    public void GroupsOfZerosAndVanishingNumbers_HaveAUsableMap()
    {
        float[] x = new float[8 * 32];
        x.AsSpan(32, 32).Fill(1e-42f);
        x.AsSpan(64, 32).Fill(-3e38f);
        x[96] = 5;
        var maps = new GroupMap[8];
        LaneSearch.Find(x, 32, 32, new(4, GroupCodeKind.Symmetric), maps, 1);
        foreach (var map in maps) Assert.IsTrue(float.IsNormal(map.Scale), map.ToString());
        Assert.AreEqual(new(1, 8), maps[0]);
        Assert.AreEqual(new(1, 8), maps[1]);
        Assert.AreEqual(0, FitSums.Of(x.AsSpan(96, 32), maps[3], 15).EE, 1e-9);
    }
}
