namespace ModelCompression.Numerics;

/// <summary>What a least-squares fit of Y by X·W asks of the data, in whatever form this is kept.</summary>
/// <param name="meanX">Mean of X, or zeros when the fit has no intercept; its length is K.</param>
/// <param name="meanY">Mean of Y, or zeros; its length is M.</param>
/// <param name="squaredY">Σ y² of all columns, centred.</param>
/// <param name="cancellation">Stops the products and factorizations.</param>
internal abstract class RegressionData(double[] meanX, double[] meanY, double squaredY, CancellationToken cancellation)
{
    /// <summary>Columns of X.</summary>
    public int K => MeanX.Length;

    /// <summary>Columns of Y.</summary>
    public int M => MeanY.Length;

    /// <summary>Mean of X, or zeros when the fit has no intercept.</summary>
    public double[] MeanX { get; } = meanX;

    /// <summary>Mean of Y, or zeros.</summary>
    public double[] MeanY { get; } = meanY;

    /// <summary>Σ y² of all columns, centred.</summary>
    public double SquaredY { get; } = squaredY;

    /// <summary>Stops the products and factorizations, which then throw <see cref="OperationCanceledException"/>.</summary>
    protected CancellationToken Cancellation { get; } = cancellation;

    /// <summary>How loops over rows run on all threads.</summary>
    protected ParallelOptions Stoppable => new() { CancellationToken = Cancellation };

    /// <summary>Multiply-accumulate operations of <see cref="Multiply"/>.</summary>
    public abstract double ProductWork { get; }

    /// <summary>The diagonal of XᵀX.</summary>
    public abstract double[] Diagonal();

    /// <summary>Σ over rows and columns of (y − Wᵀx)².</summary>
    /// <param name="weights">W: K rows of M elements.</param>
    public abstract double SquaredError(double[] weights);

    /// <summary>XᵀY − XᵀX·W, K rows of M elements.</summary>
    public abstract double[] Residual(double[] weights);

    /// <summary>XᵀX·P, K rows of M elements.</summary>
    public abstract double[] Multiply(double[] direction);

    /// <summary>(XᵀX + λ)⁻¹·(XᵀY − XᵀX·W): how W is to change; null when that is not solvable.</summary>
    public abstract double[]? Step(double[] weights, double lambda);
}
