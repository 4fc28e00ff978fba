using ModelCompression.Options;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Chooses the range that codes cover.</summary>
internal static class RangeChoice
{
    /// <summary>The range for a statistic, by the calibration method.</summary>
    public static (float Min, float Max) Of(TensorStatistic statistic, CompressionOptions options) => statistic switch
    {
        RangeStatistic range => (range.Min, range.Max),
        HistogramStatistic histogram => (histogram.Min, histogram.Max),
        _ => throw new ArgumentException($"{statistic.GetType().Name} has no range.", nameof(statistic)),
    };
}
