using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.BiasCorrection;

/// <summary>The difference of the means of one layer in two models.</summary>
internal static class MeanShift
{
    /// <summary>A channel that hardly moves with its bias says too little about what a shift would do.</summary>
    private const double LeastSlope = 0.02;

    /// <summary>What has to be added to the second model per channel, or null when the two cannot be compared.</summary>
    /// <remarks>
    /// d is the mean of the differences of n samples and v their variance. A difference that a few samples produce by chance would be noise added to the model, so each
    /// is shrunk by 1 − (v/n)/d², at least to 0: the positive-part estimator of James and Stein (1961) for a single mean. Behind an activation function of mean slope p, behind Relu
    /// the share of elements above 0, d/p is the shift that gives the difference d.
    /// </remarks>
    /// <param name="difference">Means of the float model less those of the quantized model.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="slopes">p per channel, or null for 1.</param>
    public static double[]? Of(MeanDifferenceStatistic difference, int channels, double[]? slopes = null)
    {
        int n = difference.Count;
        if (n < 2 || !difference.IsUsable || difference.Channels != channels || (slopes is not null && slopes.Length != channels)) return null;
        double[] shift = new double[channels];
        for (int c = 0; c < channels; c++)
        {
            double mean = difference.Sum(c) / n, slope = slopes?[c] ?? 1;
            double variance = Math.Max(0, (difference.Square(c) - (n * mean * mean)) / (n - 1));
            shift[c] = mean == 0 || slope < LeastSlope ? 0 : mean * Math.Max(0, 1 - (variance / n / (mean * mean))) / slope;
            if (!double.IsFinite(shift[c])) return null;
        }

        return shift;
    }
}
