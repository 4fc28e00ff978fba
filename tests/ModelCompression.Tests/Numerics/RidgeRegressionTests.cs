using ModelCompression.Numerics;

namespace ModelCompression.Tests.Numerics;

[TestClass]
public sealed class RidgeRegressionTests
{
    [TestMethod]
    [DataRow(1), DataRow(2), DataRow(7), DataRow(40), DataRow(64), DataRow(130), DataRow(197), DataRow(260)]
    public void Solve_SatisfiesTheEquations(int size)
    {
        var matrix = PositiveDefinite(size, size);
        var random = new Random(size);
        var right = Enumerable.Range(0, size * 3).Select(_ => random.NextDouble() - 0.5).ToArray();
        var solution = right.AsSpan().ToArray();
        CholeskyFactor.TryCreate(matrix, size)!.Solve(solution, 3);
        for (int i = 0; i < size; i++)
            for (int j = 0; j < 3; j++)
            {
                double sum = 0;
                for (int k = 0; k < size; k++) sum += matrix[(i * size) + k] * solution[(k * 3) + j];
                // The matrix has condition numbers below 10⁴: binary64 leaves about 12 digits.
                Assert.AreEqual(right[(i * 3) + j], sum, 1e-9);
            }
    }

    [TestMethod]
    public void TryCreate_NotPositiveDefinite_IsNull()
    {
        Assert.IsNull(CholeskyFactor.TryCreate([1, 2, 2, 1], 2));
        Assert.IsNull(CholeskyFactor.TryCreate([0], 1));
        Assert.IsNull(CholeskyFactor.TryCreate([double.NaN], 1));
    }

    [TestMethod]
    public void Inverse_TimesMatrix_IsOne()
    {
        var matrix = PositiveDefinite(20, 3);
        var inverse = CholeskyFactor.TryCreate(matrix, 20)!.Inverse();
        for (int i = 0; i < 20; i++)
            for (int j = 0; j < 20; j++)
                Assert.AreEqual(i == j ? 1 : 0, Enumerable.Range(0, 20).Sum(k => inverse[(i * 20) + k] * matrix[(k * 20) + j]), 1e-9);
    }

    [TestMethod]
    [DataRow(true), DataRow(false)]
    public void SquaredError_IsThatOfTheRows(bool centred)
    {
        var (joined, rows) = Rows(50, 4, 3);
        var moments = Moments.Of(joined, 4, 3, centred);
        var weights = Enumerable.Range(0, 12).Select(i => Math.Sin(i)).ToArray();
        double expected = 0;
        for (int j = 0; j < 3; j++)
        {
            var residuals = rows.Select(r => r[5 + j] - Enumerable.Range(0, 4).Sum(i => r[i] * weights[(i * 3) + j])).ToArray();
            double mean = centred ? residuals.Average() : 0;
            expected += residuals.Sum(r => (r - mean) * (r - mean));
        }

        Assert.AreEqual(expected, moments.SquaredError(weights), 1e-9 * expected);
    }

    [TestMethod]
    [DataRow(0.001), DataRow(0.3), DataRow(10.0)]
    public void Fit_HasTheLeastPenalizedError(double ridge)
    {
        var (joined, _) = Rows(50, 4, 3);
        var moments = Moments.Of(joined, 4, 3, centred: true);
        var prior = Enumerable.Range(0, 12).Select(i => Math.Cos(i)).ToArray();
        double lambda = ridge * Enumerable.Range(0, 4).Average(i => moments.XX[(i * 4) + i]);
        double Objective(double[] w) => moments.SquaredError(w) + (lambda * w.Zip(prior, (a, b) => (a - b) * (a - b)).Sum());
        var fitted = RidgeRegression.Fit(moments, prior, ridge)!;
        double least = Objective(fitted);
        for (int i = 0; i < fitted.Length; i++)
            foreach (double step in new[] { -1e-3, 1e-3 })
            {
                var moved = fitted.AsSpan().ToArray();
                moved[i] += step;
                Assert.IsGreaterThan(least, Objective(moved));
            }
    }

    [TestMethod]
    [DataRow(true, false), DataRow(false, false), DataRow(true, true)]
    public void FewRows_FitLikeTheirMoments(bool centred, bool partly)
    {
        const int K = 30, M = 4;
        var (joined, rows) = Rows(12, K, M);
        float[] first = [.. rows.Take(7).SelectMany(r => r).Select(v => (float)v)], second = [.. rows.Skip(7).SelectMany(r => r).Select(v => (float)v)];
        var (moments, few) = (Moments.Of(joined, K, M, centred), RegressionRows.Of(first, second, K, M, centred));
        var prior = Enumerable.Range(0, K * M).Select(i => Math.Cos(i)).ToArray();
        bool[]? removed = partly ? [.. Enumerable.Range(0, K * M).Select(i => i % 3 == 0)] : null;
        double[] expected = RidgeRegression.Fit(moments, prior, 0.01, removed)!, actual = RidgeRegression.Fit(few, prior, 0.01, removed)!;
        Assert.IsGreaterThan(0.01, expected.Zip(prior, (a, b) => Math.Abs(a - b)).Max());
        // The rows were rounded to binary32, relative 6e-8; the ridge bounds how far that is amplified.
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], 1e-4);
        Assert.AreEqual(moments.SquaredError(actual), few.SquaredError(actual), 1e-4 * few.SquaredError(prior));
        Assert.AreEqual(moments.SquaredY, few.SquaredY, 1e-5 * moments.SquaredY);
        for (int j = 0; j < M; j++) Assert.AreEqual(moments.MeanY[j], few.MeanY[j], 1e-6);
    }

    private static double[] PositiveDefinite(int size, int seed)
    {
        var random = new Random(seed);
        var factor = Enumerable.Range(0, size * size).Select(_ => random.NextDouble() - 0.5).ToArray();
        var matrix = new double[size * size];
        for (int i = 0; i < size; i++)
            for (int j = 0; j < size; j++)
                for (int k = 0; k < size; k++) matrix[(i * size) + j] += factor[(i * size) + k] * factor[(j * size) + k];
        for (int i = 0; i < size; i++) matrix[(i * size) + i] += 0.1;
        return matrix;
    }

    /// <summary>ZᵀZ and the rows of Z = [X, 1, Y].</summary>
    private static (double[] Joined, double[][] Rows) Rows(int count, int k, int m)
    {
        var random = new Random(9);
        int width = k + 1 + m;
        var rows = Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, width).Select(i => i == k ? 1 : random.NextDouble() + (i * 0.1)).ToArray()).ToArray();
        var joined = new double[width * width];
        foreach (var row in rows)
            for (int i = 0; i < width; i++)
                for (int j = 0; j < width; j++) joined[(i * width) + j] += row[i] * row[j];
        return (joined, rows);
    }
}
