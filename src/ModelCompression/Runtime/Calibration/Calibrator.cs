using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>
/// Collects statistics in ONNX Runtime: a copy of the model returns the wanted tensors as well, samples run side by side on one thread each, and what was measured is
/// merged in sample order. At any time as many samples are in memory as there are threads.
/// </summary>
/// <param name="samples">Calibration data.</param>
/// <param name="maxSamples">Most samples to use, the first ones.</param>
/// <param name="threads">Samples that run at the same time, at least 1; results do not depend on it.</param>
public sealed class Calibrator(SampleSource samples, int maxSamples, int threads) : IStatisticsSource
{
    /// <summary>One of so many tensors must be reducible.</summary>
    private const int LeastPeakShare = 4;

    private const int LeastReducedSamples = 4;

    /// <summary>For more samples what lies between two stages could take more memory than running the whole model again takes time.</summary>
    private const int MostStagedSamples = 16;

    /// <inheritdoc/>
    public int SampleCount => Math.Min(maxSamples, samples.Count);

    /// <inheritdoc/>
    public MeasurementRecord? Record { get; init; }

    /// <inheritdoc/>
    public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default)
    {
        int count = CountFor(plan);
        if (count == 0) return;
        var tensors = new WantedTensors(model, plan);
        using var quick = OpenForPeaks(model, plan, tensors, count, out var reduced, out int whole);
        using (var session = Open(model, tensors.Computed)) Collect(session, tensors, plan, 0, whole, cancellation);
        if (quick is not null) Collect(quick, reduced, plan, whole, count, cancellation);
    }

    /// <inheritdoc/>
    public void CollectInTurn(Model model, IReadOnlyList<Value> tensors, IEnumerable<StatisticsPlan> plans, CancellationToken cancellation = default)
    {
        ModelSession? session = null;
        try
        {
            foreach (var plan in plans)
            {
                int count = CountFor(plan);
                if (count == 0) continue;
                session ??= Open(model, tensors);
                Collect(session, new WantedTensors(model, plan), plan, 0, count, cancellation);
            }
        }
        finally
        {
            session?.Dispose();
        }
    }

    /// <inheritdoc/>
    public void CollectInTurn(Model model, IReadOnlyList<CollectionTurn> turns, IEnumerable<StatisticsPlan> plans, CancellationToken cancellation = default)
    {
        using var pending = plans.GetEnumerator();
        if (pending.MoveNext() && !TryCollectStaged(model, turns, pending, cancellation))
            CollectInTurn(model, [.. turns.SelectMany(t => t.Tensors).Distinct()], Rest(pending), cancellation);
    }

    /// <summary>Collects stage by stage; false when a plan is left that this does not work for.</summary>
    private bool TryCollectStaged(Model model, IReadOnlyList<CollectionTurn> turns, IEnumerator<StatisticsPlan> plans, CancellationToken cancellation)
    {
        int count = CountFor(plans.Current);
        if (count is 0 or > MostStagedSamples) return false;
        using var runs = new StagedRuns(model, count);
        foreach (var stage in CollectionStages.Of(model, turns))
        {
            var plan = plans.Current;
            var tensors = new WantedTensors(model, plan);
            if (!runs.TryOpen(stage)) return false;
            Collect(() => runs.Start(tensors.Computed), tensors, plan, 0, count, cancellation);
            if (!plans.MoveNext()) return true;
        }

        return false;
    }

    private static IEnumerable<StatisticsPlan> Rest(IEnumerator<StatisticsPlan> plans)
    {
        do
        {
            yield return plans.Current;
        }
        while (plans.MoveNext());
    }

    private int CountFor(StatisticsPlan plan) => plan.Single.Count == 0 && plan.Pairs.Count == 0 ? 0 : Math.Min(SampleCount, plan.SampleLimit ?? int.MaxValue);

    /// <summary>Without an arena: it would grow around the outputs of the first run.</summary>
    private static ModelSession Open(Model model, IReadOnlyList<Value> tensors) =>
        ObservingSession.Open(model, [.. tensors.Where(t => WantedTensors.IsComputed(t, model))], SessionSettings.Default with { ReuseMemory = false });

    /// <summary>Opens a session that reduces what many of a plan's tensors are wanted for, for the samples from <paramref name="whole"/> on; null when that is not worth a session.</summary>
    private static ModelSession? OpenForPeaks(Model model, StatisticsPlan plan, WantedTensors tensors, int count, out WantedTensors reduced, out int whole)
    {
        using var peaks = PeakOutputs.Add(model, plan);
        (reduced, whole) = (tensors, count);
        if (peaks.Of.Count * LeastPeakShare < tensors.Computed.Count || count - peaks.WholeSamples < LeastReducedSamples) return null;
        try
        {
            var wanted = new WantedTensors(model, plan, peaks.Of);
            var session = Open(model, wanted.Computed);
            (reduced, whole) = (wanted, peaks.WholeSamples);
            return session;
        }
        catch (DiagnosticException)
        {
            // As for an element type without a kernel: then all samples are seen whole.
            return null;
        }
    }

    private void Collect(ModelSession session, WantedTensors tensors, StatisticsPlan plan, int first, int end, CancellationToken cancellation) =>
        Collect(() => new RepeatedRun(session, tensors.Names), tensors, plan, first, end, cancellation);

    private void Collect(Func<ISampleRun> start, WantedTensors tensors, StatisticsPlan plan, int first, int end, CancellationToken cancellation)
    {
        var turns = new SampleTurns(first, end);
        var others = SampleTensors.Others(plan);
        Parallel.For(0, Math.Min(threads, end - first), new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, _ =>
        {
            using var run = start();
            var buffers = new SampleBuffers();
            while (turns.TryTakeSample(out int index))
            {
                try
                {
                    cancellation.ThrowIfCancellationRequested();
                    var sample = SampleTensors.Completed(samples.Read(0, index, buffers), others);
                    var source = new SampleTensors(tensors, sample, run.Run(index, sample.Inputs), index);
                    source.RequireNumbers(plan);
                    Measure(source, plan, index, turns);
                }
                catch (Exception e)
                {
                    turns.Fail(index, Located(e, index));
                }
            }
        });
        turns.ThrowIfFailed();
    }

    private static void Measure(SampleTensors source, StatisticsPlan plan, int index, SampleTurns turns)
    {
        object?[] partials = source.MeasureAll(plan);
        turns.WaitFor(index);
        source.Merge(plan, partials);
        turns.Complete(index);
    }

    /// <summary>Says which sample the model does not accept.</summary>
    private static Exception Located(Exception e, int index) => e is DiagnosticException { Diagnostic: { Code: "MCB2041" } diagnostic }
        ? new DiagnosticException(diagnostic with { Message = FormattableString.Invariant($"Calibration sample {index}: {diagnostic.Message}") })
        : e;
}
