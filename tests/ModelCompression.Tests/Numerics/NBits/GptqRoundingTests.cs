using ModelCompression.Numerics.NBits;

namespace ModelCompression.Tests.Numerics.NBits;

[TestClass]
public sealed class GptqRoundingTests
{
    [TestMethod]
    [DataRow(1, 20)]
    [DataRow(7, 60)]
    [DataRow(65, 300)]
    [DataRow(150, 700)]
    public void Factor_IsThatOfTheDampedInverse(int width, int samples)
    {
        float[] gram = Gram(width, samples, 3);
        var factor = InverseFactor.TryMake(gram, width, samples)!;
        double mean = Enumerable.Range(0, width).Average(i => (double)gram[(i * width) + i]), damping = (0.01 + (0.05 * width / samples)) * mean;
        double worst = 0;
        // UᵀU·(H + λI) = I in the order of rounding.
        for (int i = 0; i < width; i++)
        {
            for (int j = 0; j < width; j++)
            {
                double sum = 0;
                for (int k = 0; k < width; k++)
                {
                    double inverse = 0;
                    for (int t = 0; t <= Math.Min(i, k); t++) inverse += (double)factor.Upper[(t * width) + i] * factor.Upper[(t * width) + k];
                    sum += inverse * (gram[(factor.Order[k] * width) + factor.Order[j]] + (k == j ? damping : 0));
                }

                worst = Math.Max(worst, Math.Abs(sum - (i == j ? 1 : 0)));
            }
        }

        // The condition number is below 2·10³ through damping; binary32 carries 6·10⁻⁸.
        Assert.IsLessThan(2e-3, worst);
    }

    [TestMethod]
    [DataRow(30, 5, 30)]
    [DataRow(200, 9, 32)]
    [DataRow(300, 3, 64)]
    public void Codes_EqualTheScalarOracle(int width, int rows, int block)
    {
        float[] gram = Gram(width, 4 * width, 11);
        var factor = InverseFactor.TryMake(gram, width, 4 * width)!;
        var (weights, grid, maps) = Weights(width, rows, block);
        byte[] codes = new byte[weights.Length];
        GptqRounding.Round(weights, rows, factor, new(maps, grid, 0), block, 15, codes);
        int different = 0;
        for (int r = 0; r < rows; r++)
        {
            double[] w = [.. Enumerable.Range(0, width).Select(i => (double)weights[(r * width) + i])];
            for (int t = 0; t < width; t++)
            {
                int at = factor.Order[t];
                var map = maps[(r * grid.Blocks) + (at / block)];
                double code = Math.Clamp(Math.Round((w[at] / map.Scale) + map.Zero), 0, 15);
                if (code != codes[(r * width) + at]) different++;
                double error = (w[at] - ((code - map.Zero) * map.Scale)) / factor.Upper[(t * width) + t];
                for (int j = t + 1; j < width; j++) w[factor.Order[j]] -= error * factor.Upper[(t * width) + j];
            }
        }

        // Where an element lies in the middle between two codes, binary32 and binary64 may part; everything behind may then differ.
        Assert.IsLessThan(weights.Length / 50, different);
    }

    [TestMethod]
    public void OutputError_IsMuchSmallerThanByRoundingToNearest()
    {
        const int width = 96, rows = 16, block = 32;
        float[] gram = Gram(width, 800, 5);
        var (weights, grid, maps) = Weights(width, rows, block);
        byte[] gptq = new byte[weights.Length], nearest = new byte[weights.Length];
        GptqRounding.Round(weights, rows, InverseFactor.TryMake(gram, width, 800)!, new(maps, grid, 0), block, 15, gptq);
        for (int i = 0; i < weights.Length; i++) nearest[i] = (byte)Math.Clamp(MathF.Round((weights[i] / maps[i / block].Scale) + maps[i / block].Zero), 0, 15);
        double gain = 10 * Math.Log10(Error(nearest) / Error(gptq));
        Assert.IsGreaterThan(3, gain);

        double Error(byte[] codes)
        {
            double total = 0;
            for (int r = 0; r < rows; r++)
            {
                double[] e = [.. Enumerable.Range(0, width).Select(i => weights[(r * width) + i] - ((codes[(r * width) + i] - maps[((r * width) + i) / block].Zero) * (double)maps[((r * width) + i) / block].Scale))];
                for (int i = 0; i < width; i++)
                    for (int j = 0; j < width; j++) total += e[i] * e[j] * gram[(i * width) + j];
            }

            return total;
        }
    }

    [TestMethod]
    public void Zeros_StayZeros()
    {
        const int width = 64, rows = 8;
        var (weights, grid, maps) = Weights(width, rows, 32);
        for (int i = 0; i < weights.Length; i += 3) weights[i] = 0;
        byte[] codes = new byte[weights.Length];
        GptqRounding.Round(weights, rows, InverseFactor.TryMake(Gram(width, 300, 2), width, 300)!, new(maps, grid, 0), 32, 15, codes);
        for (int i = 0; i < weights.Length; i += 3) Assert.AreEqual(8, codes[i]);
    }

    private static (float[] Weights, WeightGrid Grid, GroupMap[] Maps) Weights(int width, int rows, int block)
    {
        var random = new Random(width + rows);
        float[] weights = [.. Enumerable.Range(0, width * rows).Select(_ => (float)(random.NextDouble() + random.NextDouble() - 1))];
        var grid = new WeightGrid(rows, width, false, 1, block);
        var maps = new List<GroupMap>();
        for (int r = 0; r < rows; r++)
            for (int b = 0; b < grid.Blocks; b++) maps.Add(MapSearch.Find(grid.BlockOf(weights.AsSpan(r * width, width), b), new(4, GroupCodeKind.Symmetric)));
        return (weights, grid, [.. maps]);
    }

    /// <summary>Inputs that depend on each other and have a mean, as activations do.</summary>
    private static float[] Gram(int width, int samples, int seed)
    {
        var random = new Random(seed);
        var gram = new float[width * width];
        double[] x = new double[width];
        for (int s = 0; s < samples; s++)
        {
            for (int i = 0; i < width; i++) x[i] = Math.Max(0, (0.7 * (i > 0 ? x[i - 1] : 0)) + (random.NextDouble() * 2) - 0.8);
            for (int i = 0; i < width; i++)
                for (int j = 0; j < width; j++) gram[(i * width) + j] += (float)(x[i] * x[j]);
        }

        return gram;
    }
}
