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
    /// <param name="wanted">Means of the float model.</param>
    /// <param name="actual">Means of the quantized model on the same samples.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="slopes">p per channel, or null for 1.</param>
    public static double[]? Between(SampleMeansStatistic wanted, SampleMeansStatistic actual, int channels, double[]? slopes = null)
    {
        int n = wanted.Samples.Count;
        if (n < 2 || actual.Samples.Count != n || (slopes is not null && slopes.Length != channels)) return null;
        double[] sums = new double[channels], squares = new double[channels];
        for (int s = 0; s < n; s++)
        {
            var (a, b) = (wanted.Samples[s], actual.Samples[s]);
            if (a.Length != channels || b.Length != channels) return null;
            for (int c = 0; c < channels; c++)
            {
                double difference = a[c] - b[c];
                sums[c] += difference;
                squares[c] += difference * difference;
            }
        }

        double[] shift = new double[channels];
        for (int c = 0; c < channels; c++)
        {
            double mean = sums[c] / n, slope = slopes?[c] ?? 1;
            double variance = Math.Max(0, (squares[c] - (n * mean * mean)) / (n - 1));
            shift[c] = mean == 0 || slope < LeastSlope ? 0 : mean * Math.Max(0, 1 - (variance / n / (mean * mean))) / slope;
            if (!double.IsFinite(shift[c])) return null;
        }

        return shift;
    }
}
