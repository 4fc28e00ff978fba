using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.Refitting;

/// <summary>Chooses the elements of one group of a linear operator that go.</summary>
/// <param name="matrix">How its weights are ordered.</param>
/// <param name="statistic">Moments of its inputs.</param>
/// <param name="group">The group.</param>
/// <param name="columns">Its weights, K by M.</param>
/// <returns>The weights to start from, and a mark per element that goes.</returns>
internal delegate (double[] Columns, bool[] Removed) ElementChoice(WeightMatrix matrix, RegressionStatistic statistic, int group, double[] columns);

/// <summary>A linear operator to refit.</summary>
/// <param name="Linear">The operator.</param>
/// <param name="Choose">Chooses elements that are to be zero, or null to leave none out.</param>
/// <param name="Fits">False to remove the chosen elements only.</param>
/// <param name="EstimatesBias">False to leave the bias as it is.</param>
internal sealed record RefitTarget(LinearSite Linear, ElementChoice? Choose = null, bool Fits = true, bool EstimatesBias = true)
{
    /// <summary>Inputs and outputs of one group beyond which moments take too much memory and time.</summary>
    private const int MaxWidth = 6000;

    /// <summary>Inputs of one group beyond which a fit takes too long.</summary>
    private const int MaxInputs = 4608;

    /// <summary>How the weights are ordered.</summary>
    public WeightMatrix Matrix { get; } = new(Linear);

    /// <summary>True if the choice needs nothing but the norms of the inputs, and nothing is fitted.</summary>
    public bool NeedsOnlyNorms => !Fits && !EstimatesBias;

    /// <summary>True if a fit can be afforded.</summary>
    public bool IsAffordable => NeedsOnlyNorms || Matrix.Inputs <= MaxInputs && Matrix.Inputs + Matrix.Outputs <= MaxWidth;
}

/// <summary>How well a weight was refitted.</summary>
/// <param name="Weight">The weight.</param>
/// <param name="ErrorBefore">Norm of the layer's error relative to its output, with the best bias; NaN where nothing was fitted.</param>
/// <param name="ErrorAfter">The same after the refit.</param>
internal sealed record RefitRecord(Value Weight, double ErrorBefore, double ErrorAfter);
