using ModelCompression.Numerics;

namespace ModelCompression.Tests.Numerics;

[TestClass]
public sealed class ObsUpdateTests
{
    [TestMethod]
    [DataRow(0), DataRow(3), DataRow(7)]
    public void Remove_OneElement_IsTheConstrainedOptimumOfTheElementsBehind(int removed)
    {
        const int Width = 8;
        var gram = Gram(Width, 20);
        double damping = 0.01 * Enumerable.Range(0, Width).Average(i => gram[(i * Width) + i]);
        float[] row = [0.5f, -1, 0.3f, 0.8f, -0.2f, 0.9f, -0.6f, 0.4f];
        var before = (float[])row.Clone();
        var marks = new bool[Width];
        marks[removed] = true;
        ObsUpdate.TryCreate(gram, Width)!.Remove(row, marks);

        Assert.AreEqual(0, row[removed]);
        for (int i = 0; i < removed; i++) Assert.AreEqual(before[i], row[i], "Elements before it are settled.");
        // The gradient of (w − ŵ)ᵀ(H + dI)(w − ŵ) vanishes in the free elements.
        for (int i = removed + 1; i < Width; i++)
        {
            double gradient = damping * (row[i] - before[i]);
            for (int j = 0; j < Width; j++) gradient += gram[(i * Width) + j] * ((double)row[j] - before[j]);
            Assert.AreEqual(0, gradient, 1e-5 * gram[(i * Width) + i]);
        }
    }

    [TestMethod]
    [DataRow(0.5), DataRow(0.9), DataRow(0.0)]
    public void RemoveShare_RemovesExactlyThatShareOfEveryBlock(double share)
    {
        const int Width = 200, Rows = 6;
        var random = new Random(4);
        var rows = Enumerable.Range(0, Width * Rows).Select(_ => (float)(random.NextDouble() - 0.5)).ToArray();
        ObsUpdate.TryCreate(Gram(Width, 300), Width)!.RemoveShare(rows, Width - 1, share);
        Assert.AreEqual(Math.Round(share * 128 * Rows), Count(rows, Width, 0, 128));
        Assert.AreEqual(Math.Round(share * 71 * Rows), Count(rows, Width, 128, 199));
        Assert.AreEqual(0, Count(rows, Width, 199, 200), "The bias stays.");
    }

    [TestMethod]
    public void RemoveFromGroups_KeepsTheGivenNumber()
    {
        const int Width = 11, Rows = 5;
        var random = new Random(4);
        var rows = Enumerable.Range(0, Width * Rows).Select(_ => (float)(random.NextDouble() - 0.5)).ToArray();
        ObsUpdate.TryCreate(Gram(Width, 40), Width)!.RemoveFromGroups(rows, [new(0, 4), new(4, 4), new(8, 3)], 2);
        for (int r = 0; r < Rows; r++)
            foreach (var (first, length, zeros) in new[] { (0, 4, 2), (4, 4, 2), (8, 3, 1) })
                Assert.AreEqual(zeros, Enumerable.Range(first, length).Count(i => rows[(r * Width) + i] == 0));
    }

    [TestMethod]
    [DataRow(3, 40), DataRow(17, 64), DataRow(60, 130)]
    public void FromRows_IsWhatTheirGramMatrixGives(int count, int width)
    {
        var random = new Random(count);
        var x = Enumerable.Range(0, count * width).Select(_ => (float)(random.NextDouble() - 0.4)).ToArray();
        var gram = new double[width * width];
        for (int r = 0; r < count; r++)
            for (int i = 0; i < width; i++)
                for (int j = 0; j < width; j++) gram[(i * width) + j] += (double)x[(r * width) + i] * x[(r * width) + j];
        var marks = Enumerable.Range(0, 4 * width).Select(_ => random.NextDouble() < 0.5).ToArray();
        var expected = Enumerable.Range(0, 4 * width).Select(_ => (float)(random.NextDouble() - 0.5)).ToArray();
        var actual = (float[])expected.Clone();
        ObsUpdate.TryCreate(gram, width)!.Remove(expected, marks);
        ObsUpdate.FromRows(x, width)!.Remove(actual, marks);
        Assert.IsGreaterThan(0.1f, expected.Max());
        // Binary32 factors and sweeps of at most 130 steps; the damped matrix has condition numbers of some hundred.
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], 1e-4f);
    }

    [TestMethod]
    public void TryCreate_WithoutInputs_IsNull()
    {
        Assert.IsNull(ObsUpdate.FromRows(new float[8], 4));
        Assert.IsNull(ObsUpdate.TryCreate(new double[16], 4));
        Assert.IsNull(ObsUpdate.TryCreate([double.NaN], 1));
    }

    [TestMethod]
    public void FitPartly_HasNoGradientInFreeElementsAndLeavesTheOthers()
    {
        const int K = 9, M = 4;
        var gram = Gram(K, 60);
        var random = new Random(2);
        var cross = Enumerable.Range(0, K * M).Select(_ => random.NextDouble() - 0.5).ToArray();
        var moments = new Moments(gram, cross, 200, new double[K], new double[M]);
        var removed = Enumerable.Range(0, K * M).Select(_ => random.Next(2) == 0).ToArray();
        var prior = removed.Select(r => r ? 0 : random.NextDouble()).ToArray();
        double lambda = 0.01 * Enumerable.Range(0, K).Average(i => gram[(i * K) + i]);
        var fitted = RidgeRegression.Fit(moments, prior, 0.01, removed)!;
        for (int i = 0; i < K; i++)
            for (int j = 0; j < M; j++)
            {
                if (removed[(i * M) + j])
                {
                    Assert.AreEqual(0, fitted[(i * M) + j]);
                    continue;
                }

                double gradient = (lambda * (fitted[(i * M) + j] - prior[(i * M) + j])) - cross[(i * M) + j];
                for (int k = 0; k < K; k++) gradient += gram[(i * K) + k] * fitted[(k * M) + j];
                // Iterations end when the squared residual has fallen by 10⁸.
                Assert.AreEqual(0, gradient, 1e-3);
            }
    }

    private static int Count(float[] rows, int width, int first, int last) =>
        Enumerable.Range(0, rows.Length / width).Sum(r => Enumerable.Range(first, last - first).Count(i => rows[(r * width) + i] == 0));

    private static double[] Gram(int width, int count)
    {
        var random = new Random(width);
        var gram = new double[width * width];
        for (int row = 0; row < count; row++)
        {
            var x = Enumerable.Range(0, width).Select(_ => random.NextDouble() - 0.4).ToArray();
            for (int i = 0; i < width; i++)
                for (int j = 0; j < width; j++) gram[(i * width) + j] += x[i] * x[j];
        }

        return gram;
    }
}
