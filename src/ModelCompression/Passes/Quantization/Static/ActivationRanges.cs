using System.Collections.Concurrent;
using ModelCompression.Analysis.Views;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Ranges of activations over the calibration data, by the method the options name.</summary>
internal sealed class ActivationRanges
{
    private const double ChannelMargin = 1.3;

    /// <summary>Means over all positions of a few samples weigh channels well enough; of every how many samples one tells them.</summary>
    private const int FewestMoments = 2, MostMoments = 4, SamplesPerMoment = 8;

    private readonly Dictionary<Value, TensorStatistic> statistics = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, ChannelStatistic> channels = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, (float Min, float Max)> ranges = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, (float Min, float Max)> chosen = new(ReferenceEqualityComparer.Instance);
    private readonly ConcurrentDictionary<(QuantizedTensor Tensor, int Bits), float[]> channelScales = new();
    private readonly Dictionary<string, Value> names = new(StringComparer.Ordinal);
    private readonly CompressionOptions options;
    private readonly MeasurementRecord? record;

    private ActivationRanges(CompressionOptions options, MeasurementRecord? record)
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
    /// <param name="record">Takes what the result is made with, and has what to take instead; null for a rehearsal.</param>
    /// <param name="rehearsed">The ranges of a rehearsal, which are taken when it saw the same tensors; null without one.</param>
    /// <param name="others">What is to be collected in the same run; null for nothing.</param>
    public static ActivationRanges Collect(Model model, StaticPlan plan, CompressionOptions options, IStatisticsSource source, bool perChannel, MeasurementRecord? record, ActivationRanges? rehearsed = null, StatisticsPlan? others = null)
    {
        var ranges = new ActivationRanges(options, record);
        if (rehearsed is not null && ranges.TryTake(plan, rehearsed)) return ranges;
        var wanted = others ?? new StatisticsPlan();
        foreach (var tensor in plan.Tensors)
        {
            ranges.Need(tensor, wanted, perChannel ? Math.Clamp(source.SampleCount / SamplesPerMoment, FewestMoments, MostMoments) : null);
            // As they are called now: codes may take their names.
            ranges.names.Add(tensor.Tensor.Name, tensor.Tensor);
        }

        source.Collect(model, wanted);
        ranges.ChooseAll();
        return ranges;
    }

    private bool TryTake(StaticPlan plan, ActivationRanges rehearsed)
    {
        var known = rehearsed.names;
        if (!plan.Tensors.All(t => known.ContainsKey(t.Tensor.Name))) return false;
        foreach (var tensor in plan.Tensors)
        {
            var (value, source) = (tensor.Tensor, known[tensor.Tensor.Name]);
            if (record?.TryGetRange(value.Name, out float low, out float high) == true) ranges[value] = (low, high);
            statistics[value] = rehearsed.statistics[source];
            if (rehearsed.channels.TryGetValue(source, out var ofChannels)) channels[value] = ofChannels;
            if (rehearsed.chosen.TryGetValue(source, out var range)) chosen[value] = range;
        }

        return true;
    }

    /// <summary>Why a tensor has no usable range, or null.</summary>
    public string? Problem(Value tensor) => !statistics.TryGetValue(tensor, out var statistic) ? null : statistic switch
    {
        { SampleCount: 0 } => $"calibration did not see '{tensor.Name}'",
        RangeStatistic { HasNonFinite: true } or HistogramStatistic { HasNonFinite: true } or ChannelStatistic { AllFinite: false } => $"'{tensor.Name}' has NaN or infinite elements",
        RangeStatistic { IsKnown: false } or HistogramStatistic { Total: 0 } or ChannelStatistic { Count: 0 } => $"'{tensor.Name}' has no elements",
        _ => null,
    };

    /// <summary>Elements of a tensor in an average sample; 0 when they were not counted.</summary>
    public double ElementCount(Value tensor) => statistics.GetValueOrDefault(tensor) switch
    {
        RangeStatistic range => range.ElementCount,
        HistogramStatistic { SampleCount: > 0 } histogram => (double)histogram.Total / histogram.SampleCount,
        ChannelStatistic channels => channels.ElementCount,
        _ => 0,
    };

    /// <summary>Searches thresholds of all histograms side by side.</summary>
    private void ChooseAll()
    {
        var searched = statistics.Where(s => s.Value is HistogramStatistic && !ranges.ContainsKey(s.Key) && Problem(s.Key) is null).ToArray();
        var found = new (float Min, float Max)[searched.Length];
        Parallel.For(0, searched.Length, i => found[i] = RangeChoice.Of(searched[i].Value, options));
        for (int i = 0; i < found.Length; i++) chosen.Add(searched[i].Key, found[i]);
    }

    /// <summary>The range of a tensor without a <see cref="Problem"/>.</summary>
    public (float Min, float Max) Of(Value tensor)
    {
        if (ranges.TryGetValue(tensor, out var range)) return range;
        range = StaticOperators.FixedRange(tensor.Producer) ?? Useful(tensor, chosen.TryGetValue(tensor, out var searched) ? searched : RangeChoice.Of(statistics[tensor], options));
        ranges.Add(tensor, range);
        record?.AddRange(tensor.Name, range.Min, range.Max);
        return range;
    }

    /// <summary>Means of a tensor's channels (axis 1) over the samples, or null when they were not looked at.</summary>
    public float[]? ChannelMeans(Value tensor)
    {
        if (!channels.TryGetValue(tensor, out var statistic) || !statistic.IsUsable) return null;
        float[] Means() => Array.ConvertAll(statistic.Means, m => (float)m);
        return record is null ? Means() : record.Numbers($"channel means of {tensor.Name}", statistic.Channels, Means);
    }

    /// <summary>One scale per quantized tensor; tensors that share one get the widest of their ranges.</summary>
    /// <param name="plan">The tensors.</param>
    /// <param name="bits">Bits of a code.</param>
    /// <param name="areFinal">True for the plan that will be written, whose scales are recorded; false for one that is tried.</param>
    public IReadOnlyDictionary<Value, ActivationScale> Scales(StaticPlan plan, int bits, bool areFinal = false)
    {
        var wide = new Dictionary<Value, (float Min, float Max)>(ReferenceEqualityComparer.Instance);
        foreach (var tensor in plan.Tensors)
        {
            var (min, max) = Of(tensor.Tensor);
            var root = plan.RootOf(tensor.Tensor);
            wide[root] = wide.TryGetValue(root, out var old) ? (Math.Min(old.Min, min), Math.Max(old.Max, max)) : (min, max);
        }

        Parallel.ForEach(plan.Tensors.Where(HasChannels), tensor => MeasuredScales(tensor, bits));
        var scales = new Dictionary<Value, ActivationScale>(ReferenceEqualityComparer.Instance);
        foreach (var tensor in plan.Tensors)
        {
            var (min, max) = wide[plan.RootOf(tensor.Tensor)];
            var whole = ActivationScale.Covering(min, max, bits);
            scales.Add(tensor.Tensor, PerChannel(tensor, bits, areFinal ? record : null) ?? (options.QuantizationScheme == QuantizationScheme.PowerOfTwo ? whole.InFixedPoint() : whole));
        }

        return scales;
    }

    private void Need(QuantizedTensor tensor, StatisticsPlan wanted, int? momentSamples)
    {
        var value = tensor.Tensor;
        if (record?.TryGetRange(value.Name, out float low, out float high) == true) ranges[value] = (low, high);
        bool needsRangeOnly = options.CalibrationMethod == CalibrationMethod.MinMax || ranges.ContainsKey(value) || StaticOperators.FixedRange(value.Producer) is not null;
        // Which side of the tensor stays float may change later: whatever a convolution reads or returns may need its channels. They know the range of the whole tensor, too.
        if (momentSamples is { } moments && (tensor.Source.Producer is { OpType: "Conv" } || value.Uses.Any(u => u.Node.OpType == "Conv" && u.Index == 0)))
            channels[value] = wanted.Need(value, ChannelStatistic.Key(1, moments), () => new ChannelStatistic(1, moments));
        statistics[value] = !needsRangeOnly ? wanted.Need(value, HistogramStatistic.Key, () => new HistogramStatistic())
            : channels.TryGetValue(value, out var statistic) ? statistic
            : wanted.Need(value, RangeStatistic.Key, () => NewRange(value));
    }

    /// <summary>A range that need not be known beyond what consumers can tell apart, and cannot exceed what the producer returns; neither matters where it is fixed.</summary>
    private RangeStatistic NewRange(Value value)
    {
        if (ranges.ContainsKey(value) || StaticOperators.FixedRange(value.Producer) is not null) return new(double.PositiveInfinity, double.NegativeInfinity);
        var (useful, attainable) = (UsefulRange.Of(value), AttainableRange.Of(value));
        return new(Math.Max(useful.Min, attainable.Min), Math.Min(useful.Max, attainable.Max));
    }

    private static (float Min, float Max) Useful(Value tensor, (float Min, float Max) range)
    {
        var (min, max) = UsefulRange.Of(tensor);
        return ((float)Math.Clamp(min, range.Min, range.Max), (float)Math.Clamp(max, range.Min, range.Max));
    }

    private bool HasChannels(QuantizedTensor tensor) =>
        tensor.Side != ChannelSide.None && channels.TryGetValue(tensor.Tensor, out var statistic) && statistic.IsUsable && statistic.Channels >= 2;

    /// <summary>Scales per channel where the plan allows them, or null.</summary>
    private ActivationScale? PerChannel(QuantizedTensor tensor, int bits, MeasurementRecord? kept)
    {
        if (!HasChannels(tensor)) return null;
        float[]? Measured() => MeasuredScales(tensor, bits) is { Length: > 0 } made ? made : null;
        float[]? found = kept is null ? Measured() : kept.Numbers($"zero point and channel scales of {tensor.Tensor.Name}", 1 + channels[tensor.Tensor].Channels, Measured);
        if (found is not [float zero, .. float[] scales]) return null;
        return new(new AffineScale(scales.Max(), (int)zero), bits == 8 ? DataType.UInt8 : DataType.UInt16) { Channels = scales };
    }

    /// <summary>Zero point and scales; empty when there are none. They take a search, and plans that are tried one after the other have most tensors in common.</summary>
    private float[] MeasuredScales(QuantizedTensor tensor, int bits) =>
        channelScales.GetOrAdd((tensor, bits), _ => MeasuredScales(tensor, channels[tensor.Tensor], (1 << bits) - 1) is { } made ? [made.ZeroPoint, .. made.Scales] : []);

    private ChannelScales? MeasuredScales(QuantizedTensor tensor, ChannelStatistic statistic, int levels)
    {
        var (min, max) = (new float[statistic.Channels], new float[statistic.Channels]);
        var (whole, useful) = (Of(tensor.Tensor), Room(tensor));
        for (int c = 0; c < min.Length; c++)
        {
            min[c] = Widened(Math.Max(statistic.Min[c], whole.Min), useful);
            max[c] = Widened(Math.Min(statistic.Max[c], whole.Max), useful);
        }

        return ChannelScales.TryMake(min, max, ChannelWeights.Of(tensor, min.Length), levels) is { } scales ? scales with { Scales = Balanced(tensor, scales.Scales, statistic) } : null;
    }

    /// <summary>Where values can lie and make a difference.</summary>
    private static (double Min, double Max) Room(QuantizedTensor tensor)
    {
        var (min, max) = UsefulRange.Of(tensor.Tensor);
        return tensor.Absorbed is not null && ValueBounds.Of(tensor.Absorbed) is { } bounds ? (Math.Max(min, bounds.Min), Math.Min(max, bounds.Max)) : (min, max);
    }

    /// <summary>A channel has far fewer elements than a tensor, so that other data will exceed what was observed; within the part of the range that matters there is room for it.</summary>
    private static float Widened(float bound, (double Min, double Max) useful) => ChannelScales.RoundedOutwards((float)Math.Clamp(ChannelMargin * bound, useful.Min, useful.Max));

    private static float[] Balanced(QuantizedTensor tensor, float[] scales, ChannelStatistic statistic)
    {
        if (tensor.Side != ChannelSide.Input || tensor.Tensor.Uses.Where(u => u.Node.Is("Conv") && u.Index == 0).ToArray() is not [var use]) return scales;
        if (!ConvView.TryFrom(use.Node, out var view) || view.InputChannels != scales.Length || !view.Weight.TryGetConstant(out var weight)) return scales;
        return Array.ConvertAll(ScaleBalance.Balance(view, weight.AsSpan<float>(), scales, statistic.MeanSquares), ChannelScales.RoundedOutwards);
    }
}
