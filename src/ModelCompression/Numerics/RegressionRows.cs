using System.Numerics.Tensors;

namespace ModelCompression.Numerics;

/// <summary>The rows of X and Y themselves: for fewer rows n than columns of X, where moments would take more memory and work.</summary>
/// <remarks>(XᵀX + λ)⁻¹Xᵀ = Xᵀ(XXᵀ + λ)⁻¹ replaces a factorization of K·K by one of n·n elements.</remarks>
internal sealed class RegressionRows : RegressionData
{
    private readonly double[] x;
    private readonly double[] y;
    private readonly int count;
    private readonly Lazy<double[]> products;

    private RegressionRows(double[] x, double[] y, int count, double[] meanX, double[] meanY, CancellationToken cancellation) : base(meanX, meanY, TensorPrimitives.SumOfSquares<double>(y), cancellation)
    {
        (this.x, this.y, this.count) = (x, y, count);
        products = new(Products);
    }

    /// <inheritdoc/>
    public override double ProductWork => 2.0 * count * K * M;

    /// <summary>Splits rows Z = [X, 1, Y] and centres them when the fit has an intercept.</summary>
    /// <param name="first">Some rows.</param>
    /// <param name="second">The others.</param>
    /// <param name="k">Columns of X.</param>
    /// <param name="m">Columns of Y.</param>
    /// <param name="centred">True if the fit has an intercept.</param>
    /// <param name="cancellation">Stops the products and factorizations.</param>
    public static RegressionRows Of(ReadOnlySpan<float> first, ReadOnlySpan<float> second, int k, int m, bool centred, CancellationToken cancellation = default)
    {
        int width = k + 1 + m, count = (first.Length + second.Length) / width;
        var (x, y, meanX, meanY) = (new double[count * k], new double[count * m], new double[k], new double[m]);
        for (int r = 0; r < count; r++)
        {
            int at = r * width;
            var row = at < first.Length ? first.Slice(at, width) : second.Slice(at - first.Length, width);
            TensorPrimitives.ConvertTruncating<float, double>(row[..k], x.AsSpan(r * k, k));
            TensorPrimitives.ConvertTruncating<float, double>(row[(k + 1)..], y.AsSpan(r * m, m));
        }

        if (centred)
        {
            Centre(x, meanX, count);
            Centre(y, meanY, count);
        }

        return new(x, y, count, meanX, meanY, cancellation);
    }

    /// <inheritdoc/>
    public override double[] Diagonal()
    {
        var diagonal = new double[K];
        for (int r = 0; r < count; r++) TensorPrimitives.MultiplyAdd<double>(x.AsSpan(r * K, K), x.AsSpan(r * K, K), diagonal, diagonal);
        return diagonal;
    }

    /// <inheritdoc/>
    public override double SquaredError(double[] weights)
    {
        var error = Error(weights);
        return TensorPrimitives.SumOfSquares<double>(error);
    }

    /// <inheritdoc/>
    public override double[] Residual(double[] weights) => Back(Error(weights));

    /// <inheritdoc/>
    public override double[] Multiply(double[] direction) => Back(Forward(direction));

    /// <inheritdoc/>
    public override double[]? Step(double[] weights, double lambda)
    {
        var regular = products.Value.AsSpan().ToArray();
        for (int i = 0; i < count; i++) regular[(i * count) + i] += lambda;
        if (CholeskyFactor.TryCreate(regular, count, Cancellation) is not { } factor) return null;
        var error = Error(weights);
        factor.Solve(error, M);
        return Back(error);
    }

    private static void Centre(double[] rows, double[] mean, int count)
    {
        int width = mean.Length;
        for (int r = 0; r < count; r++) TensorPrimitives.Add<double>(mean, rows.AsSpan(r * width, width), mean);
        TensorPrimitives.Divide<double>(mean, Math.Max(1, count), mean);
        for (int r = 0; r < count; r++) TensorPrimitives.Subtract<double>(rows.AsSpan(r * width, width), mean, rows.AsSpan(r * width, width));
    }

    /// <summary>XXᵀ.</summary>
    private double[] Products()
    {
        var result = new double[count * count];
        Parallel.For(0, count, Stoppable, i =>
        {
            for (int j = 0; j <= i; j++) result[(i * count) + j] = result[(j * count) + i] = TensorPrimitives.Dot<double>(x.AsSpan(i * K, K), x.AsSpan(j * K, K));
        });
        return result;
    }

    /// <summary>Y − X·W, n rows of M elements.</summary>
    private double[] Error(double[] weights)
    {
        var error = Forward(weights);
        TensorPrimitives.Subtract<double>(y, error, error);
        return error;
    }

    /// <summary>X·P.</summary>
    private double[] Forward(double[] direction)
    {
        var result = new double[count * M];
        Parallel.For(0, count, Stoppable, r =>
        {
            var row = result.AsSpan(r * M, M);
            for (int i = 0; i < K; i++) TensorPrimitives.MultiplyAdd(direction.AsSpan(i * M, M), x[(r * K) + i], row, row);
        });
        return result;
    }

    /// <summary>Xᵀ·E.</summary>
    private double[] Back(double[] error)
    {
        var result = new double[K * M];
        Parallel.For(0, K, Stoppable, i =>
        {
            var row = result.AsSpan(i * M, M);
            for (int r = 0; r < count; r++) TensorPrimitives.MultiplyAdd(error.AsSpan(r * M, M), x[(r * K) + i], row, row);
        });
        return result;
    }
}
