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
    private const int MaxIterations = 60;

    private const int MinIterations = 8;

    /// <summary>Multiply-accumulate operations that the iterations of one fit may take.</summary>
    private const double WorkBudget = 1.5e10;

    /// <summary>argmin ‖Y − X·W‖² + λ·‖W − prior‖², λ a multiple of the mean of the diagonal of XᵀX; null when that is not solvable.</summary>
    /// <param name="moments">Moments of X and Y.</param>
    /// <param name="prior">K rows of M elements.</param>
    /// <param name="ridge">λ, relative.</param>
    /// <param name="removed">Marks elements that stay as they are in <paramref name="prior"/>, or null to fit all.</param>
    public static double[]? Fit(Moments moments, double[] prior, double ridge, bool[]? removed = null)
    {
        int k = moments.K;
        double mean = 0;
        for (int i = 0; i < k; i++) mean += moments.XX[(i * k) + i] / k;
        if (!(mean > 0)) return null;
        if (removed is not null) return FitPartly(moments, prior, ridge * mean, removed);
        var regular = moments.XX.AsSpan().ToArray();
        for (int i = 0; i < k; i++) regular[(i * k) + i] += ridge * mean;
        if (CholeskyFactor.TryCreate(regular, k) is not { } factor) return null;
        var change = Residual(moments, prior);
        factor.Solve(change, moments.M);
        TensorPrimitives.Add<double>(change, prior, change);
        return change;
    }

    /// <summary>
    /// Every column has other free elements, so that no factorization serves all: conjugate gradients on all columns at once, with the diagonal as preconditioner. Stopping
    /// early only leaves weights closer to the prior.
    /// </summary>
    private static double[] FitPartly(Moments moments, double[] prior, double lambda, bool[] removed)
    {
        int k = moments.K, m = moments.M;
        var residual = Residual(moments, prior);
        for (int i = 0; i < residual.Length; i++)
            if (removed[i]) residual[i] = 0;
        var weights = prior.AsSpan().ToArray();
        var diagonal = new double[k];
        for (int i = 0; i < k; i++) diagonal[i] = 1 / (moments.XX[(i * k) + i] + lambda);
        var direction = Preconditioned(residual, diagonal, m);
        var power = ColumnProducts(residual, direction, m);
        double first = power.Sum();
        int iterations = (int)Math.Clamp(WorkBudget / ((double)k * k * m), MinIterations, MaxIterations);
        for (int iteration = 0; iteration < iterations && power.Sum() > 1e-8 * first; iteration++)
        {
            var product = Product(moments.XX, direction, k, m, lambda, removed);
            var curvature = ColumnProducts(direction, product, m);
            var step = new double[m];
            for (int j = 0; j < m; j++) step[j] = curvature[j] > 0 ? power[j] / curvature[j] : 0;
            AddScaled(weights, direction, step, 1);
            AddScaled(residual, product, step, -1);
            var next = Preconditioned(residual, diagonal, m);
            var nextPower = ColumnProducts(residual, next, m);
            for (int j = 0; j < m; j++) step[j] = power[j] > 0 ? nextPower[j] / power[j] : 0;
            AddScaled(next, direction, step, 1);
            (direction, power) = (next, nextPower);
        }

        return weights;
    }

    /// <summary>(XᵀX + λ)·P in the free elements.</summary>
    private static double[] Product(double[] gram, double[] direction, int k, int m, double lambda, bool[] removed)
    {
        var product = new double[k * m];
        Parallel.For(0, k, i =>
        {
            var row = product.AsSpan(i * m, m);
            TensorPrimitives.Multiply<double>(direction.AsSpan(i * m, m), lambda, row);
            for (int j = 0; j < k; j++) TensorPrimitives.MultiplyAdd(direction.AsSpan(j * m, m), gram[(i * k) + j], row, row);
            for (int j = 0; j < m; j++)
                if (removed[(i * m) + j]) row[j] = 0;
        });
        return product;
    }

    private static double[] Preconditioned(double[] residual, double[] diagonal, int m)
    {
        var result = new double[residual.Length];
        for (int i = 0; i < diagonal.Length; i++) TensorPrimitives.Multiply<double>(residual.AsSpan(i * m, m), diagonal[i], result.AsSpan(i * m, m));
        return result;
    }

    private static double[] ColumnProducts(double[] a, double[] b, int m)
    {
        var sums = new double[m];
        for (int i = 0; i < a.Length; i += m) TensorPrimitives.MultiplyAdd<double>(a.AsSpan(i, m), b.AsSpan(i, m), sums, sums);
        return sums;
    }

    private static void AddScaled(double[] target, double[] other, double[] scales, double sign)
    {
        int m = scales.Length;
        var signed = new double[m];
        TensorPrimitives.Multiply<double>(scales, sign, signed);
        for (int i = 0; i < target.Length; i += m) TensorPrimitives.MultiplyAdd<double>(other.AsSpan(i, m), signed, target.AsSpan(i, m), target.AsSpan(i, m));
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
