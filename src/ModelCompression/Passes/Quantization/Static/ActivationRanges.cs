using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Ranges of activations over the calibration data, by the method the options name.</summary>
internal sealed class ActivationRanges
{
    private readonly Dictionary<Value, TensorStatistic> statistics = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, (float Min, float Max)> ranges = new(ReferenceEqualityComparer.Instance);
    private readonly CompressionOptions options;

    private readonly CalibrationRecord? record;

    private ActivationRanges(CompressionOptions options, CalibrationRecord? record)
    {
        this.options = options;
        this.record = record;
    }

    /// <summary>Collects the ranges of all tensors of a plan in one run over the data.</summary>
    public static ActivationRanges Collect(Model model, StaticPlan plan, CompressionOptions options, IStatisticsSource source)
    {
        var ranges = new ActivationRanges(options, source.Record);
        var wanted = new StatisticsPlan();
        foreach (var tensor in plan.Tensors)
        {
            if (StaticOperators.FixedRange(tensor.Tensor.Producer) is { } known) ranges.ranges[tensor.Tensor] = known;
            else if (source.Record?.TryGet(tensor.Tensor.Name, out float low, out float high) == true) ranges.ranges[tensor.Tensor] = (low, high);
            else
                ranges.statistics[tensor.Tensor] = options.CalibrationMethod == CalibrationMethod.MinMax
                    ? wanted.Need(tensor.Tensor, RangeStatistic.Key, () => new RangeStatistic())
                    : wanted.Need(tensor.Tensor, HistogramStatistic.Key, () => new HistogramStatistic());
        }

        source.Collect(model, wanted);
        return ranges;
    }

    /// <summary>Why a tensor has no usable range, or null.</summary>
    public string? Problem(Value tensor) => !statistics.TryGetValue(tensor, out var statistic) ? null : statistic switch
    {
        { SampleCount: 0 } => $"calibration did not see '{tensor.Name}'",
        RangeStatistic { HasNonFinite: true } or HistogramStatistic { HasNonFinite: true } => $"'{tensor.Name}' has NaN or infinite elements",
        RangeStatistic { IsKnown: false } or HistogramStatistic { Total: 0 } => $"'{tensor.Name}' has no elements",
        _ => null,
    };

    /// <summary>The range of a tensor without a <see cref="Problem"/>.</summary>
    public (float Min, float Max) Of(Value tensor)
    {
        if (ranges.TryGetValue(tensor, out var range)) return range;
        range = RangeChoice.Of(statistics[tensor], options);
        ranges.Add(tensor, range);
        record?.Add(tensor.Name, range.Min, range.Max);
        return range;
    }

    /// <summary>One scale per quantized tensor; tensors that share one get the widest of their ranges.</summary>
    public IReadOnlyDictionary<Value, ActivationScale> Scales(StaticPlan plan, int bits)
    {
        var wide = new Dictionary<Value, (float Min, float Max)>(ReferenceEqualityComparer.Instance);
        foreach (var tensor in plan.Tensors)
        {
            var (min, max) = Of(tensor.Tensor);
            var root = plan.RootOf(tensor.Tensor);
            wide[root] = wide.TryGetValue(root, out var old) ? (Math.Min(old.Min, min), Math.Max(old.Max, max)) : (min, max);
        }

        var scales = new Dictionary<Value, ActivationScale>(ReferenceEqualityComparer.Instance);
        foreach (var tensor in plan.Tensors)
        {
            var (min, max) = wide[plan.RootOf(tensor.Tensor)];
            scales.Add(tensor.Tensor, ActivationScale.Covering(min, max, bits));
        }

        return scales;
    }
}
