using System.Numerics.Tensors;
using ModelCompression.Numerics;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.Refitting;

/// <summary>Fits the weights of one linear operator to wanted outputs and chooses the ridge on samples the fit has not seen.</summary>
internal static class LinearFit
{
    /// <summary>Ridges tried, relative to the mean of the diagonal of XᵀX.</summary>
    private static readonly double[] Ridges = [1e-4, 1e-3, 1e-2, 1e-1, 1];

    private static readonly double[] FewRidges = [1e-3, 1e-2, 1e-1];

    /// <summary>From this row length on fewer ridges are tried: a factorization grows with its cube.</summary>
    private const int LongRow = 768;

    /// <summary>Fits one group.</summary>
    /// <param name="statistic">Moments of inputs and wanted outputs.</param>
    /// <param name="group">Group.</param>
    /// <param name="prior">The weights to start from, K rows of M elements.</param>
    /// <param name="hasIntercept">True if the operator has a bias to adapt.</param>
    /// <param name="removed">Marks elements that are to be zero, or null.</param>
    /// <param name="fits">False to only set those to zero.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static FitResult Fit(RegressionStatistic statistic, int group, double[] prior, bool hasIntercept, bool[]? removed, bool fits, CancellationToken cancellation)
    {
        var (even, odd, total) = statistic.HasFewRows ? Rows(statistic, group, hasIntercept, cancellation) : Moments(statistic, group, hasIntercept, cancellation);
        for (int i = 0; i < prior.Length; i++)
            if (removed is not null && removed[i]) prior[i] = 0;
        var weights = prior;
        if (fits && ChooseRidge(even, odd, prior, removed) is { } ridge && RidgeRegression.Fit(total, prior, ridge, removed) is { } fitted)
            weights = fitted;
        return new(weights, hasIntercept ? Bias(total, weights) : null, total.SquaredError(prior), total.SquaredError(weights), total.SquaredY);
    }

    private static (RegressionData Even, RegressionData Odd, RegressionData Total) Rows(RegressionStatistic statistic, int group, bool hasIntercept, CancellationToken cancellation)
    {
        int k = statistic.XWidth, m = statistic.YWidth;
        ReadOnlySpan<float> even = statistic.Rows(0, group), odd = statistic.Rows(1, group);
        return (RegressionRows.Of(even, [], k, m, hasIntercept, cancellation), RegressionRows.Of(odd, [], k, m, hasIntercept, cancellation), RegressionRows.Of(even, odd, k, m, hasIntercept, cancellation));
    }

    private static (RegressionData Even, RegressionData Odd, RegressionData Total) Moments(RegressionStatistic statistic, int group, bool hasIntercept, CancellationToken cancellation)
    {
        int k = statistic.XWidth, m = statistic.YWidth;
        ReadOnlySpan<double> even = statistic.Moments(0, group), odd = statistic.Moments(1, group);
        var all = new double[even.Length];
        TensorPrimitives.Add(even, odd, all);
        return (Numerics.Moments.Of(even, k, m, hasIntercept, cancellation), Numerics.Moments.Of(odd, k, m, hasIntercept, cancellation), Numerics.Moments.Of(all, k, m, hasIntercept, cancellation));
    }

    /// <summary>The ridge whose fit to one half of the samples has the least error on the other, both ways round; null when none is better than no change.</summary>
    private static double? ChooseRidge(RegressionData even, RegressionData odd, double[] prior, bool[]? removed)
    {
        bool isLong = even.K > LongRow || removed is not null;
        double best = even.SquaredError(prior) + odd.SquaredError(prior);
        double? chosen = null;
        foreach (double ridge in isLong ? FewRidges : Ridges)
        {
            double error = (isLong ? even.SquaredError(prior) : HeldOut(odd, even, prior, ridge, removed)) + HeldOut(even, odd, prior, ridge, removed);
            if (!(error < best)) continue;
            best = error;
            chosen = ridge;
        }

        return chosen;
    }

    private static double HeldOut(RegressionData fitted, RegressionData judged, double[] prior, double ridge, bool[]? removed) =>
        RidgeRegression.Fit(fitted, prior, ridge, removed) is { } weights ? judged.SquaredError(weights) : double.PositiveInfinity;

    /// <summary>The intercept: mean of Y less what the weights make of the mean of X.</summary>
    private static double[] Bias(RegressionData moments, double[] weights)
    {
        var bias = moments.MeanY.AsSpan().ToArray();
        for (int i = 0; i < moments.K; i++)
            for (int j = 0; j < bias.Length; j++) bias[j] -= moments.MeanX[i] * weights[(i * bias.Length) + j];
        return bias;
    }
}

/// <summary>What a fit has found.</summary>
/// <param name="Weights">K rows of M elements.</param>
/// <param name="Bias">M elements, or null.</param>
/// <param name="ErrorBefore">Σ (y − ŷ)² with the weights as they were and the best bias.</param>
/// <param name="ErrorAfter">The same with the new weights.</param>
/// <param name="Energy">Σ (y − mean)².</param>
internal sealed record FitResult(double[] Weights, double[]? Bias, double ErrorBefore, double ErrorAfter, double Energy);
