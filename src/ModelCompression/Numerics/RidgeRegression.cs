using System.Numerics.Tensors;

namespace ModelCompression.Numerics;

/// <summary>Second moments of the columns of X and Y.</summary>
/// <param name="XX">Σ x·xᵀ, K·K.</param>
/// <param name="XY">Σ x·yᵀ, K·M.</param>
/// <param name="YY">Σ y² per column of Y.</param>
/// <param name="MeanX">Mean of X, or zeros when the fit has no intercept.</param>
/// <param name="MeanY">Mean of Y, or zeros.</param>
internal sealed record Moments(double[] XX, double[] XY, double[] YY, double[] MeanX, double[] MeanY)
{
    /// <summary>Columns of X.</summary>
    public int K => MeanX.Length;

    /// <summary>Columns of Y.</summary>
    public int M => MeanY.Length;

    /// <summary>Takes them out of ZᵀZ, Z = [X, 1, Y], centred when the fit has an intercept.</summary>
    public static Moments Of(ReadOnlySpan<double> joined, int k, int m, bool centred)
    {
        int width = k + 1 + m;
        double count = Math.Max(1, joined[(k * width) + k]);
        var (meanX, meanY) = (new double[k], new double[m]);
        var (xx, xy, yy) = (new double[k * k], new double[k * m], new double[m]);
        for (int i = 0; centred && i < k; i++) meanX[i] = joined[(k * width) + i] / count;
        for (int j = 0; centred && j < m; j++) meanY[j] = joined[(k * width) + k + 1 + j] / count;
        for (int i = 0; i < k; i++)
        {
            for (int j = 0; j < k; j++) xx[(i * k) + j] = joined[(i * width) + j] - (count * meanX[i] * meanX[j]);
            for (int j = 0; j < m; j++) xy[(i * m) + j] = joined[(i * width) + k + 1 + j] - (count * meanX[i] * meanY[j]);
        }

        for (int j = 0; j < m; j++) yy[j] = joined[((k + 1 + j) * width) + k + 1 + j] - (count * meanY[j] * meanY[j]);
        return new(xx, xy, yy, meanX, meanY);
    }

    /// <summary>Σ over rows and columns of (y − Wᵀx)².</summary>
    /// <param name="weights">W: K rows of M elements.</param>
    public double SquaredError(double[] weights)
    {
        var partial = new double[K];
        Parallel.For(0, K, i =>
        {
            // wᵢ·(Σⱼ XXᵢⱼ·wⱼ − 2·XYᵢ)
            var row = new double[M];
            for (int j = 0; j < K; j++) TensorPrimitives.MultiplyAdd(weights.AsSpan(j * M, M), XX[(i * K) + j], row, row);
            TensorPrimitives.MultiplyAdd<double>(XY.AsSpan(i * M, M), -2, row, row);
            partial[i] = TensorPrimitives.Dot<double>(weights.AsSpan(i * M, M), row);
        });
        double sum = 0;
        foreach (double y in YY) sum += y;
        foreach (double p in partial) sum += p;
        return Math.Max(0, sum);
    }
}

/// <summary>Least squares with a ridge that pulls towards given weights.</summary>
internal static class RidgeRegression
{
    /// <summary>argmin ‖Y − X·W‖² + λ·‖W − prior‖², λ a multiple of the mean of the diagonal of XᵀX; null when that is not solvable.</summary>
    public static double[]? Fit(Moments moments, double[] prior, double ridge)
    {
        int k = moments.K;
        double mean = 0;
        for (int i = 0; i < k; i++) mean += moments.XX[(i * k) + i] / k;
        if (!(mean > 0)) return null;
        var regular = moments.XX.AsSpan().ToArray();
        for (int i = 0; i < k; i++) regular[(i * k) + i] += ridge * mean;
        if (CholeskyFactor.TryCreate(regular, k) is not { } factor) return null;
        var change = Residual(moments, prior);
        factor.Solve(change, moments.M);
        TensorPrimitives.Add<double>(change, prior, change);
        return change;
    }

    /// <summary>XᵀY − XᵀX·W.</summary>
    private static double[] Residual(Moments moments, double[] weights)
    {
        int m = moments.M;
        var residual = moments.XY.AsSpan().ToArray();
        Parallel.For(0, moments.K, i =>
        {
            var row = residual.AsSpan(i * m, m);
            for (int j = 0; j < moments.K; j++) TensorPrimitives.MultiplyAdd(weights.AsSpan(j * m, m), -moments.XX[(i * moments.K) + j], row, row);
        });
        return residual;
    }
}
