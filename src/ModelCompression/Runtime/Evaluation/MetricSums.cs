using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Runtime.Fidelity;

namespace ModelCompression.Runtime.Evaluation;

/// <summary>What one feed contributes to a metric. Feeds are measured in any order and added up in sample order, so sums do not depend on the number of threads.</summary>
internal sealed class MetricSums
{
    private long rows;
    private long feeds;
    private double hits;
    private double cosines;
    private long measured;
    private long unmeasurable;
    private OutputDistance distance = new();

    /// <summary>Samples so far.</summary>
    public long RowCount => rows;

    /// <summary>Predicted classes of this feed; empty without labels.</summary>
    public int[] Predicted { get; private init; } = [];

    /// <summary>Classes of the scores; 0 without labels.</summary>
    public int ClassCount { get; private init; }

    /// <summary>Measures one feed against its labels.</summary>
    public static MetricSums OfLabels(Metric metric, Sample sample, IReadOnlyList<NamedValue> outputs)
    {
        var (predicted, classes) = LabelScore.Predict(sample.Labels.Count, outputs);
        return new()
        {
            rows = sample.Labels.Count,
            feeds = 1,
            hits = LabelScore.CountHits(sample.Labels, outputs, metric == Metric.Top5 ? 5 : 1),
            Predicted = predicted,
            ClassCount = classes,
        };
    }

    /// <summary>Measures one feed against reference outputs. Outputs that are not floating point are left out.</summary>
    /// <exception cref="DiagnosticException">MCB3011: shapes differ.</exception>
    public static MetricSums OfReference(Sample sample, IReadOnlyList<NamedValue> reference, IReadOnlyList<NamedValue> outputs)
    {
        var sums = new MetricSums { rows = sample.RowCount ?? BatchOf(sample), feeds = 1 };
        var found = FlatOutputs.Of(outputs).ToDictionary(o => o.Name, o => o.Tensor, StringComparer.Ordinal);
        long elements = 0;
        foreach (var (name, expected) in FlatOutputs.Of(reference))
        {
            if (expected is null || !expected.DataType.IsFloatingPoint() || !found.TryGetValue(name, out var actual) || actual is null) continue;
            if (!SameRows(expected, actual))
                throw new DiagnosticException("MCB3011", $"The expected values of output '{name}' are {expected}, but the model returns {actual}. They must have the shape the model returns.");
            // Expected values of a last, padded batch have fewer rows than the model returns; the padding does not count.
            long count = expected.Rank == 0 ? 1 : Math.Min(sample.RowCount ?? long.MaxValue, expected.Dims[0]);
            var rows = FirstRows(expected, count);
            sums.distance.Add(rows, FirstRows(actual, count));
            elements += rows.ElementCount;
        }

        if (sums.distance.ElementCount + sums.distance.NonFiniteCount > 0)
        {
            sums.measured = 1;
            sums.cosines = sums.distance.NonFiniteCount > 0 ? 0 : sums.distance.Cosine;
        }
        else if (elements > 0)
        {
            sums.unmeasurable = 1;
        }

        return sums;
    }

    /// <summary>The sums of several feeds, added in order.</summary>
    public static MetricSums Total(IEnumerable<MetricSums> feeds)
    {
        var total = new MetricSums();
        foreach (var feed in feeds) total.Add(feed);
        return total;
    }

    /// <summary>Adds the next feed.</summary>
    public void Add(MetricSums next)
    {
        rows += next.rows;
        feeds += next.feeds;
        hits += next.hits;
        cosines += next.cosines;
        measured += next.measured;
        unmeasurable += next.unmeasurable;
        distance.Add(next.distance);
    }

    /// <summary>
    /// The metric: share of hits (Top1, Top5); mean over feeds with outputs of the cosine between all outputs taken together (Cosine); mean over elements (Mse, Mae);
    /// 20·log10(‖r‖/‖r−a‖) over everything (Sqnr). NaN or infinity in the output makes errors infinite and Sqnr −∞.
    /// </summary>
    public double Value(Metric metric)
    {
        bool broken = distance.NonFiniteCount > 0;
        return metric switch
        {
            Metric.Top1 or Metric.Top5 => hits / rows,
            Metric.Cosine => cosines / measured,
            Metric.Mse => broken ? double.PositiveInfinity : distance.ErrorPower / distance.ElementCount,
            Metric.Mae => broken ? double.PositiveInfinity : distance.AbsoluteError / distance.ElementCount,
            _ => broken ? double.NegativeInfinity : distance.SqnrDb,
        };
    }

    /// <summary>Refuses sums that say nothing, so that no gate is passed by them.</summary>
    /// <exception cref="DiagnosticException">MCB3018: there is nothing to compare with.</exception>
    public void CheckReference(Metric metric)
    {
        if (metric is Metric.Top1 or Metric.Top5) return;
        if (unmeasurable > 0)
            throw Unmeasurable(metric, FormattableString.Invariant($"in {unmeasurable} of {feeds} samples every value to compare with is NaN or infinite. Clean the data"));
        if (measured == 0)
            throw Unmeasurable(metric, "no output that is compared has floating point elements. Give labels for Metric=Top1, or a MetricCommand");
        if (double.IsNaN(Value(metric)))
            throw Unmeasurable(metric, "all values to compare with are zero. Give other data, or another Metric");
    }

    /// <summary>Refuses a compressed model that breaks on samples that the check of its outputs did not see.</summary>
    /// <exception cref="DiagnosticException">MCB4042.</exception>
    public void CheckFinite()
    {
        if (distance.NonFiniteCount > 0)
            throw new DiagnosticException("MCB4042", FormattableString.Invariant($"{distance.NonFiniteCount} elements of the compressed model's outputs are NaN or infinite on the validation data where finite ones are expected. No file was replaced; exclude nodes with ExcludeNodes, or choose another Quantization or more bits."));
    }

    private static DiagnosticException Unmeasurable(Metric metric, string why) => new("MCB3018", $"{metric} cannot be measured: {why}.");

    private static int BatchOf(Sample sample) => Math.Max(1, sample.Labels.Count);

    private static bool SameRows(Tensor expected, Tensor actual) =>
        expected.DataType == actual.DataType && (expected.ElementCount == actual.ElementCount
        || (expected.Rank == actual.Rank && expected.Rank > 0 && expected.Dims[1..].SequenceEqual(actual.Dims[1..]) && expected.Dims[0] < actual.Dims[0]));

    private static Tensor FirstRows(Tensor tensor, long count)
    {
        if (tensor.Rank == 0 || tensor.Dims[0] <= count) return tensor;
        long[] dims = tensor.Dims.ToArray();
        dims[0] = count;
        return Tensor.Create(tensor.DataType, dims, tensor.AsSpan<byte>()[..(int)tensor.DataType.ByteLength(Tensor.CountElements(dims))].ToArray());
    }
}
