using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Runs samples side by side, each on a thread of its own, and merges what was measured in sample order.</summary>
/// <param name="samples">Calibration data.</param>
/// <param name="threads">Samples that run at the same time, at least 1.</param>
/// <param name="stopping">Ends every collection between samples, whatever token that one has.</param>
internal sealed class SampleLoop(SampleSource samples, int threads, CancellationToken stopping)
{
    /// <summary>Samples that run at the same time.</summary>
    public int Threads => threads;

    /// <summary>The same with another number of threads.</summary>
    public SampleLoop With(int threadCount) => new(samples, threadCount, stopping);

    /// <summary>Fills a plan.</summary>
    /// <param name="start">Makes what runs the samples of one thread.</param>
    /// <param name="tensors">Where the plan's tensors come from.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="first">The first sample.</param>
    /// <param name="end">The one behind the last.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <param name="whole">What runs samples with a NaN or an infinity, where <paramref name="tensors"/> are reduced to extremes, which do not tell; null where they are not.</param>
    public void Collect(Func<ISampleRun> start, WantedTensors tensors, StatisticsPlan plan, int first, int end, CancellationToken cancellation, (Func<ISampleRun> Start, WantedTensors Tensors)? whole = null)
    {
        var turns = new SampleTurns(first, end);
        var others = SampleTensors.Others(plan);
        Parallel.For(0, Math.Min(threads, end - first), new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, _ =>
        {
            using var run = start();
            using var careful = new Lazily<ISampleRun>(() => whole!.Value.Start());
            var buffers = new SampleBuffers();
            while (turns.TryTakeSample(out int index))
            {
                try
                {
                    stopping.ThrowIfCancellationRequested();
                    cancellation.ThrowIfCancellationRequested();
                    var sample = SampleTensors.Completed(samples.Read(0, index, buffers), others);
                    var source = whole is { } all && sample.NotFiniteInput is not null
                        ? new SampleTensors(all.Tensors, sample, careful.Value.Run(index, sample.Inputs), index)
                        : new SampleTensors(tensors, sample, run.Run(index, sample.Inputs), index);
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
        if (!turns.WaitFor(index)) return;
        source.Merge(plan, partials);
        turns.Complete(index, isLast: plan.IsEnough?.Invoke() == true);
    }

    /// <summary>Says which sample the model does not accept.</summary>
    private static Exception Located(Exception e, int index) => e is DiagnosticException { Diagnostic: { Code: "MCB2041" } diagnostic }
        ? new DiagnosticException(diagnostic with { Message = FormattableString.Invariant($"Calibration sample {index}: {diagnostic.Message}") })
        : e;
}
