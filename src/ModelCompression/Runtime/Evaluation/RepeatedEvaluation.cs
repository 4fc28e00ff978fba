using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Runtime.Fidelity;
using ModelCompression.Runtime.Latency;

namespace ModelCompression.Runtime.Evaluation;

/// <summary>
/// Judges many compressed models against one original on the same samples. The original runs once; its outputs are kept as far as they fit, and computed again where they do not.
/// Feeds run in parallel with one thread each and are added up in their order, so results do not depend on the number of threads.
/// </summary>
internal sealed class RepeatedEvaluation : IDisposable
{
    private const long MaxKeptByteLength = 256L << 20;

    private readonly SampleSource samples;
    private readonly int attempt;
    private readonly MetricReference reference;
    private readonly int threads;
    private readonly IReadOnlyList<NamedValue>?[] outputs;
    private readonly Sample?[] inputs;
    private readonly MetricSums[] originalSums;
    private readonly ModelSession original;

    private RepeatedEvaluation(ModelSession original, SampleSource samples, int attempt, Metric metric, MetricReference reference, int feedCount, int threads)
    {
        this.original = original;
        this.samples = samples;
        this.attempt = attempt;
        this.reference = reference;
        this.threads = threads;
        Metric = metric;
        outputs = new IReadOnlyList<NamedValue>?[feedCount];
        inputs = new Sample?[feedCount];
        originalSums = new MetricSums[feedCount];
    }

    /// <summary>The metric.</summary>
    public Metric Metric { get; }

    /// <summary>Feeds that every evaluation may use.</summary>
    public int FeedCount => outputs.Length;

    /// <summary>What the original contributes to the metric, by feed.</summary>
    public IReadOnlyList<MetricSums> Original => originalSums;

    /// <summary>Runs the original.</summary>
    /// <param name="originalPath">Model file; stays open until disposal.</param>
    /// <param name="samples">Samples; stay open until disposal.</param>
    /// <param name="data">The same samples when they are validation data, which the metric is then measured on; null = distance to the original only.</param>
    /// <param name="metric">Metric, or null for the default one.</param>
    /// <param name="maxFeeds">Most feeds used.</param>
    /// <param name="threads">Feeds that run at the same time.</param>
    /// <param name="cancellation">Stops between feeds.</param>
    /// <exception cref="DiagnosticException">MCB2040, MCB2041: the original does not load or run. MCB3xxx: the data does not serve.</exception>
    public static RepeatedEvaluation Start(string originalPath, SampleSource samples, DataSet? data, Metric? metric, int maxFeeds, int threads, CancellationToken cancellation)
    {
        var chosen = data is null ? Metric.Sqnr : metric ?? Evaluator.DefaultMetric(data);
        var reference = data is null ? MetricReference.OriginalOutputs : Evaluator.ReferenceFor(chosen, data);
        var session = ModelSession.Open(originalPath, SessionSettings.Default, ModelRole.Original);
        try
        {
            var evaluation = new RepeatedEvaluation(session, samples, FirstWorkingAttempt(session, samples), chosen, reference, Math.Min(samples.Count, maxFeeds), threads);
            evaluation.RunOriginal(cancellation);
            return evaluation;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>Runs a compressed model.</summary>
    /// <param name="compressed">It.</param>
    /// <param name="feeds">Feeds to use, ascending.</param>
    /// <param name="cancellation">Stops between feeds.</param>
    /// <returns>One entry per feed, in order.</returns>
    /// <exception cref="DiagnosticException">MCB4041: it does not run.</exception>
    public FeedFigures[] Evaluate(ModelSession compressed, IReadOnlyList<int> feeds, CancellationToken cancellation)
    {
        var results = new FeedFigures[feeds.Count];
        Evaluator.InParallel(feeds.Count, threads, i => Read(feeds[i]), (i, sample) =>
        {
            var expected = outputs[feeds[i]] ?? original.Run(sample.Inputs);
            var actual = compressed.Run(sample.Inputs);
            var distance = DistanceOf(expected, actual);
            var (distortion, rows) = DistortionOf(sample, expected, actual, distance);
            results[i] = new(Measure(sample, expected, actual), distance, distortion, rows);
        }, cancellation);
        return results;
    }

    /// <summary>Compressed/original latency on the first sample, one thread, interleaved.</summary>
    public double LatencyRatio(ModelSession compressed, CancellationToken cancellation)
    {
        var sample = Read(0).Inputs;
        using var originalFeed = original.Prepare(sample);
        using var compressedFeed = compressed.Prepare(sample);
        return LatencyMeter.Measure(originalFeed.Run, compressedFeed.Run, new LatencySettings { TimeLimit = TimeSpan.FromSeconds(1) }, cancellation).Ratio;
    }

    /// <inheritdoc/>
    public void Dispose() => original.Dispose();

    private static int FirstWorkingAttempt(ModelSession session, SampleSource samples)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                session.Run(samples.Read(attempt, 0).Inputs);
                return attempt;
            }
            catch (DiagnosticException e) when (e.Diagnostic.Code == "MCB2041" && attempt + 1 < samples.AttemptCount)
            {
                // Another way to make inputs may suit the model.
            }
        }
    }

    /// <summary>For classes, what may change their order; otherwise error power and signal power.</summary>
    private (double Sum, double Rows) DistortionOf(Sample sample, IReadOnlyList<NamedValue> expected, IReadOnlyList<NamedValue> actual, OutputDistance distance)
    {
        if (distance.NonFiniteCount > 0) return (double.NaN, 1);
        if (Metric is Metric.Top1 or Metric.Top5)
        {
            var found = FlatOutputs.Of(actual).ToDictionary(o => o.Name, o => o.Tensor, StringComparer.Ordinal);
            foreach (var (name, tensor) in FlatOutputs.Of(expected))
                if (tensor?.DataType.IsFloatingPoint() == true && found.GetValueOrDefault(name) is { } other && ScoreDistortion.Measure(tensor, other, Math.Max(1, sample.Labels.Count)) is { } scores) return scores;
        }

        return (distance.ErrorPower, distance.ReferencePower);
    }

    private static OutputDistance DistanceOf(IReadOnlyList<NamedValue> reference, IReadOnlyList<NamedValue> actual)
    {
        var distance = new OutputDistance();
        var found = FlatOutputs.Of(actual).ToDictionary(o => o.Name, o => o.Tensor, StringComparer.Ordinal);
        foreach (var (name, expected) in FlatOutputs.Of(reference))
            if (expected is not null && expected.DataType.IsFloatingPoint() && found.TryGetValue(name, out var value) && value is not null && value.ElementCount == expected.ElementCount && value.DataType == expected.DataType)
                distance.Add(expected, value);
        return distance;
    }

    private void RunOriginal(CancellationToken cancellation)
    {
        long kept = 0;
        Evaluator.InParallel(FeedCount, threads, Read, (i, sample) =>
        {
            var result = original.Run(sample.Inputs);
            originalSums[i] = Measure(sample, result, result);
            long bytes = ByteLength(result) + ByteLength(sample.Inputs);
            if (Interlocked.Add(ref kept, bytes) <= MaxKeptByteLength) (outputs[i], inputs[i]) = (result, sample);
        }, cancellation);
        MetricSums.Total(originalSums).CheckReference(Metric);
    }

    private Sample Read(int index) => inputs[index] ?? samples.Read(attempt, index);

    private MetricSums Measure(Sample sample, IReadOnlyList<NamedValue> original, IReadOnlyList<NamedValue> actual) => reference switch
    {
        MetricReference.Labels => MetricSums.OfLabels(Metric, sample, actual),
        MetricReference.ExpectedOutputs => MetricSums.OfReference(sample, sample.ExpectedOutputs, actual),
        _ => MetricSums.OfReference(sample, original, actual),
    };

    private static long ByteLength(IReadOnlyList<NamedValue> values) => FlatOutputs.Of(values).Sum(v => v.Tensor?.ByteLength ?? 0);
}
