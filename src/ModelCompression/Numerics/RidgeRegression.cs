using System.Numerics.Tensors;

namespace ModelCompression.Numerics;

/// <summary>Least squares with a ridge that pulls towards given weights.</summary>
internal static class RidgeRegression
{
    private const int MaxIterations = 60;

    private const int MinIterations = 8;

    /// <summary>Multiply-accumulate operations that the iterations of one fit may take.</summary>
    private const double WorkBudget = 6e9;

    /// <summary>argmin ‖Y − X·W‖² + λ·‖W − prior‖², λ a multiple of the mean of the diagonal of XᵀX; null when that is not solvable.</summary>
    /// <param name="moments">Moments of X and Y.</param>
    /// <param name="prior">K rows of M elements.</param>
    /// <param name="ridge">λ, relative.</param>
    /// <param name="removed">Marks elements that stay as they are in <paramref name="prior"/>, or null to fit all.</param>
    public static double[]? Fit(RegressionData moments, double[] prior, double ridge, bool[]? removed = null)
    {
        var diagonal = moments.Diagonal();
        double mean = 0;
        foreach (double d in diagonal) mean += d / diagonal.Length;
        if (!(mean > 0)) return null;
        if (removed is not null) return FitPartly(moments, prior, diagonal, ridge * mean, removed);
        if (moments.Step(prior, ridge * mean) is not { } change) return null;
        TensorPrimitives.Add<double>(change, prior, change);
        return change;
    }

    /// <summary>
    /// Every column has other free elements, so that no factorization serves all: conjugate gradients on all columns at once, with the diagonal as preconditioner. Stopping
    /// early only leaves weights closer to the prior.
    /// </summary>
    private static double[] FitPartly(RegressionData moments, double[] prior, double[] squares, double lambda, bool[] removed)
    {
        int m = moments.M;
        var residual = moments.Residual(prior);
        for (int i = 0; i < residual.Length; i++)
            if (removed[i]) residual[i] = 0;
        var weights = prior.AsSpan().ToArray();
        var diagonal = Array.ConvertAll(squares, s => 1 / (s + lambda));
        var direction = Preconditioned(residual, diagonal, m);
        var power = ColumnProducts(residual, direction, m);
        double first = power.Sum();
        int iterations = (int)Math.Clamp(WorkBudget / moments.ProductWork, MinIterations, MaxIterations);
        for (int iteration = 0; iteration < iterations && power.Sum() > 1e-8 * first; iteration++)
        {
            var product = Product(moments, direction, lambda, removed);
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
    private static double[] Product(RegressionData moments, double[] direction, double lambda, bool[] removed)
    {
        var product = moments.Multiply(direction);
        TensorPrimitives.MultiplyAdd<double>(direction, lambda, product, product);
        for (int i = 0; i < product.Length; i++)
            if (removed[i]) product[i] = 0;
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
}
