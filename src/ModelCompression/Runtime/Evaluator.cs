using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Runtime.Evaluation;

namespace ModelCompression.Runtime;

/// <summary>
/// Judges the compressed model against the original on validation data, in one pass over the samples. Samples are fed one by one (or in the model's fixed batch),
/// so that models which quantize a whole batch with one scale give what they give in use; several samples run at once, each on one thread.
/// </summary>
public static class Evaluator
{
    /// <summary>The metric that is used when none is asked for: <see cref="Metric.Top1"/> with labels, else <see cref="Metric.Cosine"/>.</summary>
    public static Metric DefaultMetric(DataSet data) => data.HasLabels ? Metric.Top1 : Metric.Cosine;

    /// <summary>Evaluates both models.</summary>
    /// <param name="originalPath">Original model file.</param>
    /// <param name="compressedPath">Compressed model file.</param>
    /// <param name="data">Validation data, opened for the original's interface.</param>
    /// <param name="metric">Metric, or null for <see cref="DefaultMetric"/>.</param>
    /// <param name="threads">Samples that run at the same time; changes the time only.</param>
    /// <param name="progress">Told the number of feeds done, or null.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="DiagnosticException">MCB2040, MCB2041, MCB4040, MCB4041: a model does not load or run. MCB3003, MCB3010, MCB3011, MCB3016 to MCB3018: the data does not serve. MCB4042: the compressed model gives NaN or infinity.</exception>
    public static EvaluationResult Evaluate(
        string originalPath,
        string compressedPath,
        DataSet data,
        Metric? metric = null,
        int threads = 1,
        IProgress<int>? progress = null,
        CancellationToken cancellation = default)
    {
        var chosen = metric ?? DefaultMetric(data);
        var reference = ReferenceFor(chosen, data);
        using var original = ModelSession.Open(originalPath, SessionSettings.Default, ModelRole.Original);
        using var compressed = ModelSession.Open(compressedPath, SessionSettings.Default, ModelRole.Compressed);
        var sums = RunAll(data, threads, progress, [original, compressed], (sample, runs) => (Measure(chosen, reference, sample, runs[0].RunAndCopy(sample), runs[1].RunAndCopy(sample)), sample.Labels), cancellation);

        MetricSums left = new(), right = new();
        var predictions = new List<(long, int, int)>();
        foreach (var ((o, c), labels) in sums)
        {
            left.Add(o);
            right.Add(c);
            if (o.Predicted.Length == c.Predicted.Length)
                for (int i = 0; i < o.Predicted.Length; i++) predictions.Add((labels[i], o.Predicted[i], c.Predicted[i]));
        }

        left.CheckReference(chosen);
        right.CheckFinite();
        return new EvaluationResult(chosen, reference, data.RowCount, left.Value(chosen), right.Value(chosen)) { Predictions = predictions, ClassCount = sums.Max(s => s.Item1.Original.ClassCount) };
    }

    /// <summary>Evaluates one model, for metrics that need no other: labels or expected outputs.</summary>
    /// <returns>The metric's value.</returns>
    /// <exception cref="DiagnosticException">As above; MCB3016 also when the metric would need the original's outputs.</exception>
    public static double EvaluateOne(string path, ModelRole role, DataSet data, Metric metric, int threads = 1, CancellationToken cancellation = default)
    {
        var reference = ReferenceFor(metric, data);
        if (reference == MetricReference.OriginalOutputs) throw new DiagnosticException("MCB3016", $"Metric {metric} of a single model needs expected outputs in the data (arrays named output:<name>), and there are none.");
        using var session = ModelSession.Open(path, SessionSettings.Default, role);
        var total = MetricSums.Total(RunAll(data, threads, null, [session], (sample, runs) => MeasureOne(metric, reference, sample, runs[0].RunAndCopy(sample)), cancellation));
        total.CheckReference(metric);
        return total.Value(metric);
    }

    internal static MetricReference ReferenceFor(Metric metric, DataSet data)
    {
        if (metric is not (Metric.Top1 or Metric.Top5)) return data.ExpectedOutputs.Count > 0 ? MetricReference.ExpectedOutputs : MetricReference.OriginalOutputs;
        return data.HasLabels
            ? MetricReference.Labels
            : throw new DiagnosticException("MCB3016", $"Metric {metric} needs labels, and the data has none. Add an int64 array 'labels' to the .npz, or use Metric Cosine, Sqnr, Mse or Mae.");
    }

    private static (MetricSums Original, MetricSums Compressed) Measure(Metric metric, MetricReference reference, Sample sample, IReadOnlyList<NamedValue> original, IReadOnlyList<NamedValue> compressed) =>
        reference == MetricReference.OriginalOutputs
            ? (MetricSums.OfReference(sample, original, original), MetricSums.OfReference(sample, original, compressed))
            : (MeasureOne(metric, reference, sample, original), MeasureOne(metric, reference, sample, compressed));

    private static MetricSums MeasureOne(Metric metric, MetricReference reference, Sample sample, IReadOnlyList<NamedValue> outputs) => reference == MetricReference.Labels
        ? MetricSums.OfLabels(metric, sample, outputs)
        : MetricSums.OfReference(sample, sample.ExpectedOutputs, outputs);

    /// <summary>Runs <paramref name="measure"/> for every feed; results are in feed order. Feeds are read in order under a lock, since data may be a compressed stream.</summary>
    private static T[] RunAll<T>(DataSet data, int threads, IProgress<int>? progress, ModelSession[] sessions, Func<Sample, RepeatedRun[], T> measure, CancellationToken cancellation)
    {
        var results = new T[data.Count];
        int done = 0;
        InParallel(results.Length, threads, () => new FeedRuns(sessions), (own, index) => data.Read(index, own.Buffers), (own, index, sample) =>
        {
            results[index] = measure(sample, own.Runs);
            progress?.Report(Interlocked.Increment(ref done));
        }, cancellation);
        return results;
    }

    /// <summary>Does <paramref name="work"/> for the numbers below <paramref name="count"/>, which are handed out in order; <paramref name="inOrder"/> is done in order, one at a time.</summary>
    internal static void InParallel<T>(int count, int threads, Func<int, T> inOrder, Action<int, T> work, CancellationToken cancellation) =>
        InParallel(count, threads, () => (IDisposable?)null, (_, index) => inOrder(index), (_, index, item) => work(index, item), cancellation);

    private static void InParallel<TOwn, T>(int count, int threads, Func<TOwn> start, Func<TOwn, int, T> inOrder, Action<TOwn, int, T> work, CancellationToken cancellation) where TOwn : IDisposable?
    {
        int next = 0;
        var gate = new Lock();

        void Work()
        {
            using var own = start();
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                T item;
                int index;
                lock (gate)
                {
                    if (next == count) return;
                    index = next++;
                    item = inOrder(own, index);
                }

                work(own, index, item);
            }
        }

        var workers = Enumerable.Range(0, Math.Clamp(threads, 1, Math.Max(1, count))).Select(_ => Task.Run(Work, cancellation)).ToArray();
        try
        {
            Task.WaitAll(workers, CancellationToken.None);
        }
        catch (AggregateException e)
        {
            // The first cause as it was thrown: the caller knows diagnostics and cancellation.
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.Flatten().InnerExceptions.FirstOrDefault(i => i is DiagnosticException) ?? e.Flatten().InnerExceptions[0]);
        }
    }

    /// <summary>What one thread reads samples into and runs models with.</summary>
    private sealed class FeedRuns(ModelSession[] sessions) : IDisposable
    {
        public SampleBuffers Buffers { get; } = new();

        public RepeatedRun[] Runs { get; } = [.. sessions.Select(s => new RepeatedRun(s))];

        public void Dispose() => Array.ForEach(Runs, r => r.Dispose());
    }
}
