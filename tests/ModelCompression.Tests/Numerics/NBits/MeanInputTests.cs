using ModelCompression.Numerics.NBits;

namespace ModelCompression.Tests.Numerics.NBits;

/// <summary>Scales and codes that keep a row's output for the mean input, against the definitions.</summary>
[TestClass]
public sealed class MeanInputTests
{
    private static readonly int[] Lengths = [1, 7, 8, 32, 33, 100, 768];

    [TestMethod]
    public void Sums_EqualTheScalarOracle()
    {
        foreach (int length in Lengths)
        {
            foreach (var kind in new[] { GroupCodeKind.Symmetric, GroupCodeKind.Asymmetric })
            {
                float[] x = Elements(length, length), m = Elements(length, length + 1);
                var map = MapSearch.Find(x, new(4, kind));
                var sums = MeanSums.Of(x, m, map, 15);
                double[] q = Array.ConvertAll(x, v => (double)Math.Clamp(MathF.Round((v * (1 / map.Scale)) + map.Zero), 0, 15) - map.Zero);
                double[] e = [.. x.Select((v, i) => v - (q[i] * map.Scale))];
                Assert.AreEqual(e.Zip(m, (a, b) => a * b).Sum(), sums.Error, 1e-6 * x.Zip(m, (a, b) => Math.Abs((double)a * b)).Sum());
                Assert.AreEqual(q.Zip(m, (a, b) => a * b).Sum(), sums.Reach, 1e-5 * q.Zip(m, (a, b) => Math.Abs(a * b)).Sum());
                Assert.AreEqual(q.Sum(v => v * v), sums.Cost, 1e-5 * q.Sum(v => v * v));
            }
        }
    }

    [TestMethod]
    public void Rests_EqualTheScalarOracle()
    {
        foreach (int length in Lengths)
        {
            float[] x = Elements(length, length), rests = new float[length], means = Elements(length, 9);
            var map = MapSearch.Find(x, new(8, GroupCodeKind.Asymmetric));
            byte[] codes = new byte[length];
            GroupRounding.ToNearest(x, map, 255, codes);
            RoundingRests.Compute(x, map, codes, rests);
            for (int i = 0; i < length; i++) Assert.AreEqual((x[i] * (1 / map.Scale)) + map.Zero - codes[i], rests[i], $"element {i} of {length}");
            Assert.AreEqual(rests.Zip(means, (a, b) => (double)a * b).Sum(), RoundingRests.Dot(rests, means), 1e-5 * rests.Zip(means, (a, b) => Math.Abs((double)a * b)).Sum());
        }
    }

    [TestMethod]
    [DataRow(320, 32)]
    [DataRow(768, 32)]
    [DataRow(1000, 128)]
    public void FittedScales_KeepTheOutputForTheMean_AndCostLittle(int length, int block)
    {
        double before = 0, after = 0, noiseBefore = 0, noiseAfter = 0;
        for (int seed = 0; seed < 20; seed++)
        {
            float[] row = Elements(length, seed);
            var input = new MeanInput(Elements(length, seed + 100), 0.05f);
            var maps = Maps(row, block);
            var (error, noise) = Errors(row, maps, block, input, Nearest(row, maps, block));
            (before, noiseBefore) = (before + (error * error), noiseBefore + noise);
            MeanFit.Fit(row, block, input, 15, maps);
            // Then the scales are stored as multiples of a step.
            float step = maps.Max(m => Math.Abs(m.Scale)) / 127;
            for (int b = 0; b < maps.Length; b++) maps[b] = maps[b] with { Scale = MathF.Round(maps[b].Scale / step) * step };
            (error, noise) = Errors(row, maps, block, input, Nearest(row, maps, block));
            (after, noiseAfter) = (after + (error * error), noiseAfter + noise);
        }

        Assert.IsLessThan(0.6 * before, after);
        Assert.IsLessThan(1.3 * noiseBefore, noiseAfter);
    }

    [TestMethod]
    public void MovedCodes_LowerTheExpectedError_AndKeepZeros()
    {
        foreach (int length in Lengths)
        {
            for (int seed = 0; seed < 10; seed++)
            {
                int block = Math.Min(32, length);
                float[] row = Elements(length, seed);
                for (int i = 0; i < length; i += 5) row[i] = 0;
                var input = new MeanInput(Elements(length, seed + 50), 0.1f);
                var maps = Maps(row, block);
                byte[] nearest = Nearest(row, maps, block), codes = [.. nearest];
                var (error, noise) = Errors(row, maps, block, input, codes);
                double change = MeanPreservingRounding.Apply(row, maps, block, input, 15, codes, new());
                var (errorAfter, noiseAfter) = Errors(row, maps, block, input, codes);

                Assert.AreEqual(noise + change, noiseAfter, 1e-4 * noiseAfter);
                Assert.IsLessThanOrEqualTo(((error * error) + (input.Variance * noise)) * 1.0001, (errorAfter * errorAfter) + (input.Variance * noiseAfter));
                if (length > 500) Assert.IsLessThan((0.3 * Math.Abs(error)) + (0.05 * Math.Sqrt(noise)), Math.Abs(errorAfter));
                for (int i = 0; i < length; i++)
                {
                    Assert.IsTrue(codes[i] <= 15 && Math.Abs(codes[i] - nearest[i]) <= 1);
                    if (row[i] == 0) Assert.AreEqual(nearest[i], codes[i]);
                }
            }
        }
    }

    [TestMethod]
    public void Mean_ThatChanceExplains_IsLeftOut()
    {
        double[] means = [0.1, -0.1, 0.1, -0.1];
        // Σ m² = 0.04; rows vary by 1 in all, so that the mean of 10 rows would be off by 0.1.
        Assert.IsNull(MeanInput.Of(means, 1.04, 10));
        Assert.IsNull(MeanInput.Of(means, 1.04, 1));
        Assert.IsNull(MeanInput.Of(means, double.NaN, 100));
        var input = MeanInput.Of(means, 1.04, 100_001)!;
        double kept = 1 - (1.0 / 100_000 / 0.04);
        for (int k = 0; k < 4; k++) Assert.AreEqual(means[k] * kept, input.Means[k], 1e-4);
        Assert.AreEqual(0.25, input.Variance, 1e-4);
    }

    private static GroupMap[] Maps(float[] row, int block) =>
        [.. row.Chunk(block).Select(b => MapSearch.Find(b, new(4, GroupCodeKind.Symmetric)))];

    private static byte[] Nearest(float[] row, GroupMap[] maps, int block) =>
        [.. row.Select((x, i) => (byte)Math.Clamp(MathF.Round((x / maps[i / block].Scale) + maps[i / block].Zero), 0, 15))];

    private static (double Error, double Noise) Errors(float[] row, GroupMap[] maps, int block, MeanInput input, byte[] codes)
    {
        double error = 0, noise = 0;
        for (int i = 0; i < row.Length; i++)
        {
            double e = row[i] - ((codes[i] - (double)maps[i / block].Zero) * maps[i / block].Scale);
            error += e * input.Means[i];
            noise += e * e;
        }

        return (error, noise);
    }

    private static float[] Elements(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(Enumerable.Range(0, 6).Sum(_ => random.NextDouble() - 0.5) + 0.1))];
    }
}
