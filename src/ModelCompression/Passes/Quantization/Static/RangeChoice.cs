using ModelCompression.Options;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Chooses the range that codes cover.</summary>
internal static class RangeChoice
{
    /// <summary>The range for a statistic, by the calibration method; always within the observed range.</summary>
    public static (float Min, float Max) Of(TensorStatistic statistic, CompressionOptions options)
    {
        if (statistic is RangeStatistic range) return (range.Min, range.Max);
        if (statistic is ChannelStatistic channels) return (channels.Min.Min(), channels.Max.Max());
        var histogram = (HistogramStatistic)statistic;
        var (min, max) = options.CalibrationMethod switch
        {
            CalibrationMethod.Entropy => EntropyRange.Of(histogram, (1 << options.ActivationBits) - 1),
            CalibrationMethod.Percentile => PercentileRange.Of(histogram, options.CalibrationPercentile),
            CalibrationMethod.Mse => SquaredErrorRange.Of(histogram, (1 << options.ActivationBits) - 1),
            _ => (histogram.Min, histogram.Max),
        };
        return ((float)Math.Clamp(min, histogram.Min, histogram.Max), (float)Math.Clamp(max, histogram.Min, histogram.Max));
    }
}
