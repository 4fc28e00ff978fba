using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.BiasCorrection;

/// <summary>The difference of the means of one layer in two models.</summary>
internal static class MeanShift
{
    /// <summary>What has to be added to the second model per channel, or null when the two cannot be compared.</summary>
    /// <remarks>
    /// d is the mean of the differences of n samples and v their variance. A difference that a few samples produce by chance would be noise added to the model, so each
    /// is shrunk by 1 − (v/n)/d², at least to 0: the positive-part estimator of James and Stein (1961) for a single mean.
    /// </remarks>
    public static double[]? Between(SampleMeansStatistic wanted, SampleMeansStatistic actual, int channels)
    {
        int n = wanted.Samples.Count;
        if (n < 2 || actual.Samples.Count != n) return null;
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
            double mean = sums[c] / n;
            double variance = Math.Max(0, (squares[c] - (n * mean * mean)) / (n - 1));
            shift[c] = mean == 0 ? 0 : mean * Math.Max(0, 1 - (variance / n / (mean * mean)));
            if (!double.IsFinite(shift[c])) return null;
        }

        return shift;
    }
}
