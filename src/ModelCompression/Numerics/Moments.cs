using System.Numerics.Tensors;

namespace ModelCompression.Numerics;

/// <summary>Second moments of the columns of X and Y: for many rows.</summary>
/// <param name="xx">Σ x·xᵀ, K·K.</param>
/// <param name="xy">Σ x·yᵀ, K·M.</param>
/// <param name="squaredY">Σ y² of all columns.</param>
/// <param name="meanX">Mean of X, or zeros when the fit has no intercept.</param>
/// <param name="meanY">Mean of Y, or zeros.</param>
/// <param name="cancellation">Stops the products and factorizations.</param>
internal sealed class Moments(double[] xx, double[] xy, double squaredY, double[] meanX, double[] meanY, CancellationToken cancellation = default) : RegressionData(meanX, meanY, squaredY, cancellation)
{
    /// <summary>Σ x·xᵀ, K·K.</summary>
    public double[] XX => xx;

    /// <inheritdoc/>
    public override double ProductWork => (double)K * K * M;

    /// <summary>Takes them out of ZᵀZ, Z = [X, 1, Y], centred when the fit has an intercept.</summary>
    public static Moments Of(ReadOnlySpan<double> joined, int k, int m, bool centred, CancellationToken cancellation = default)
    {
        int width = k + 1 + m;
        double count = Math.Max(1, joined[(k * width) + k]);
        var (meanX, meanY) = (new double[k], new double[m]);
        var (xx, xy) = (new double[k * k], new double[k * m]);
        double yy = 0;
        for (int i = 0; centred && i < k; i++) meanX[i] = joined[(k * width) + i] / count;
        for (int j = 0; centred && j < m; j++) meanY[j] = joined[(k * width) + k + 1 + j] / count;
        for (int i = 0; i < k; i++)
        {
            var row = joined.Slice(i * width, width);
            TensorPrimitives.MultiplyAdd<double>(meanX, -count * meanX[i], row[..k], xx.AsSpan(i * k, k));
            TensorPrimitives.MultiplyAdd<double>(meanY, -count * meanX[i], row[(k + 1)..], xy.AsSpan(i * m, m));
        }

        for (int j = 0; j < m; j++) yy += joined[((k + 1 + j) * width) + k + 1 + j] - (count * meanY[j] * meanY[j]);
        return new(xx, xy, yy, meanX, meanY, cancellation);
    }

    /// <inheritdoc/>
    public override double[] Diagonal()
    {
        var diagonal = new double[K];
        for (int i = 0; i < diagonal.Length; i++) diagonal[i] = xx[(i * K) + i];
        return diagonal;
    }

    /// <inheritdoc/>
    public override double SquaredError(double[] weights)
    {
        // Σ w·(XX·W − 2·XY)
        var product = Multiply(weights);
        TensorPrimitives.MultiplyAdd<double>(xy, -2, product, product);
        return Math.Max(0, SquaredY + TensorPrimitives.Dot<double>(weights, product));
    }

    /// <inheritdoc/>
    public override double[] Residual(double[] weights)
    {
        var residual = Multiply(weights);
        TensorPrimitives.Subtract<double>(xy, residual, residual);
        return residual;
    }

    /// <inheritdoc/>
    public override double[] Multiply(double[] direction)
    {
        var product = new double[K * M];
        Parallel.For(0, K, Stoppable, i =>
        {
            var row = product.AsSpan(i * M, M);
            for (int j = 0; j < K; j++) TensorPrimitives.MultiplyAdd(direction.AsSpan(j * M, M), xx[(i * K) + j], row, row);
        });
        return product;
    }

    /// <inheritdoc/>
    public override double[]? Step(double[] weights, double lambda)
    {
        var regular = xx.AsSpan().ToArray();
        for (int i = 0; i < K; i++) regular[(i * K) + i] += lambda;
        if (CholeskyFactor.TryCreate(regular, K, Cancellation) is not { } factor) return null;
        var change = Residual(weights);
        factor.Solve(change, M);
        return change;
    }
}
