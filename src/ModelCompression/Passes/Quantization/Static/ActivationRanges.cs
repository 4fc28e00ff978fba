using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Ranges of activations over the calibration data, by the method the options name.</summary>
internal sealed class ActivationRanges
{
    private readonly Dictionary<Value, TensorStatistic> statistics = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, ChannelRangeStatistic> channels = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, (float Min, float Max)> ranges = new(ReferenceEqualityComparer.Instance);
    private readonly CompressionOptions options;
    private readonly CalibrationRecord? record;

    private ActivationRanges(CompressionOptions options, CalibrationRecord? record)
    {
        this.options = options;
        this.record = record;
    }

    /// <summary>Collects the ranges of all tensors of a plan in one run over the data.</summary>
    /// <param name="model">The model.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="options">Options.</param>
    /// <param name="source">The data.</param>
    /// <param name="perChannel">True to look at channels too, where the plan can make use of them.</param>
    public static ActivationRanges Collect(Model model, StaticPlan plan, CompressionOptions options, IStatisticsSource source, bool perChannel)
    {
        var ranges = new ActivationRanges(options, source.Record);
        var wanted = new StatisticsPlan();
        foreach (var tensor in plan.Tensors) ranges.Need(tensor, wanted, perChannel);
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

    /// <summary>Elements of a tensor in an average sample; 0 when they were not counted.</summary>
    public double ElementCount(Value tensor) => statistics.GetValueOrDefault(tensor) switch
    {
        RangeStatistic { SampleCount: > 0 } range => (double)range.Total / range.SampleCount,
        HistogramStatistic { SampleCount: > 0 } histogram => (double)histogram.Total / histogram.SampleCount,
        _ => 0,
    };

    /// <summary>The range of a tensor without a <see cref="Problem"/>.</summary>
    public (float Min, float Max) Of(Value tensor)
    {
        if (ranges.TryGetValue(tensor, out var range)) return range;
        range = StaticOperators.FixedRange(tensor.Producer) ?? Useful(tensor, RangeChoice.Of(statistics[tensor], options));
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
            scales.Add(tensor.Tensor, PerChannel(tensor, bits) ?? ActivationScale.Covering(min, max, bits));
        }

        return scales;
    }

    private void Need(QuantizedTensor tensor, StatisticsPlan wanted, bool perChannel)
    {
        var value = tensor.Tensor;
        if (record?.TryGet(value.Name, out float low, out float high) == true) ranges[value] = (low, high);
        statistics[value] = options.CalibrationMethod == CalibrationMethod.MinMax || ranges.ContainsKey(value) || StaticOperators.FixedRange(value.Producer) is not null
            ? wanted.Need(value, RangeStatistic.Key, () => new RangeStatistic())
            : wanted.Need(value, HistogramStatistic.Key, () => new HistogramStatistic());
        // Which side of the tensor stays float may change later: whatever a convolution reads or returns may need its channels.
        if (perChannel && (tensor.Source.Producer is { OpType: "Conv" } || value.Uses.Any(u => u.Node.OpType == "Conv" && u.Index == 0)))
            channels[value] = wanted.Need(value, ChannelRangeStatistic.Key, () => new ChannelRangeStatistic());
    }

    private static (float Min, float Max) Useful(Value tensor, (float Min, float Max) range)
    {
        var (min, max) = UsefulRange.Of(tensor);
        return ((float)Math.Clamp(min, range.Min, range.Max), (float)Math.Clamp(max, range.Min, range.Max));
    }

    /// <summary>Scales per channel where the plan allows them, or null.</summary>
    private ActivationScale? PerChannel(QuantizedTensor tensor, int bits)
    {
        if (tensor.Side == ChannelSide.None || !channels.TryGetValue(tensor.Tensor, out var statistic) || !statistic.IsUsable || statistic.Min.Length < 2) return null;
        var (whole, useful) = (Of(tensor.Tensor), UsefulRange.Of(tensor.Tensor));
        float[] min = Array.ConvertAll(statistic.Min, m => ChannelScales.RoundedOutwards((float)Math.Clamp(m, Math.Max(useful.Min, whole.Min), whole.Max)));
        float[] max = Array.ConvertAll(statistic.Max, m => ChannelScales.RoundedOutwards((float)Math.Clamp(m, whole.Min, Math.Min(useful.Max, whole.Max))));
        if (ChannelScales.TryMake(min, max, ChannelWeights.Of(tensor, min.Length), (1 << bits) - 1) is not { } scales) return null;
        return new(new AffineScale(scales.Scales.Max(), scales.ZeroPoint), bits == 8 ? DataType.UInt8 : DataType.UInt16) { Channels = scales.Scales };
    }
}
