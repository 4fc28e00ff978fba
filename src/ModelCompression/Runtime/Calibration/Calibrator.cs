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
    /// <inheritdoc/>
    public int SampleCount => Math.Min(maxSamples, samples.Count);

    /// <inheritdoc/>
    public MeasurementRecord? Record { get; init; }

    /// <inheritdoc/>
    public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default) =>
        CollectInTurn(model, new WantedTensors(model, plan).Computed, [plan], cancellation);

    /// <inheritdoc/>
    public void CollectInTurn(Model model, IReadOnlyList<Value> tensors, IEnumerable<StatisticsPlan> plans, CancellationToken cancellation = default)
    {
        ModelSession? session = null;
        try
        {
            foreach (var plan in plans)
            {
                int count = Math.Min(SampleCount, plan.SampleLimit ?? int.MaxValue);
                if (count == 0 || (plan.Single.Count == 0 && plan.Pairs.Count == 0)) continue;
                // Without an arena, large outputs come and go by the page: a tenth faster than one that grows around them.
                session ??= ObservingSession.Open(model, [.. tensors.Where(t => WantedTensors.IsComputed(t, model))], SessionSettings.Default with { ReuseMemory = false });
                Collect(session, new WantedTensors(model, plan), plan, count, cancellation);
            }
        }
        finally
        {
            session?.Dispose();
        }
    }

    private void Collect(ModelSession session, WantedTensors tensors, StatisticsPlan plan, int count, CancellationToken cancellation)
    {
        var turns = new SampleTurns(count);
        var others = SampleTensors.Others(plan);
        Parallel.For(0, Math.Min(threads, count), new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, _ =>
        {
            using var run = new RepeatedRun(session, tensors.Names);
            var buffers = new SampleBuffers();
            while (turns.TryTakeSample(out int index))
            {
                try
                {
                    cancellation.ThrowIfCancellationRequested();
                    var sample = SampleTensors.Completed(samples.Read(0, index, buffers), others);
                    Measure(new SampleTensors(tensors, sample, run.Run(sample.Inputs), index), plan, index, turns);
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
