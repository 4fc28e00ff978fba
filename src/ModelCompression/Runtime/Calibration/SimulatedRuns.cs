using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Runtime.Fidelity;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>
/// Collects statistics over <see cref="SyntheticInputs"/>, for methods without data that need a rough idea of what layers see. Of the ways to make inputs the first is taken whose outputs are not
/// saturated, as when outputs are compared.
/// </summary>
/// <param name="samples">Inputs made up from the model's interface; null for none.</param>
public sealed class SimulatedRuns(SyntheticInputs? samples) : IStatisticsSource
{
    /// <summary>Fixed, so that results do not depend on the machine's number of cores.</summary>
    private const int ThreadCount = 2;

    /// <inheritdoc/>
    public int SampleCount => samples?.Count ?? 0;

    /// <inheritdoc/>
    public MeasurementRecord? Record { get; init; }

    /// <inheritdoc cref="Calibrator.Stopping"/>
    public CancellationToken Stopping { get; init; }

    /// <inheritdoc/>
    public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default)
    {
        if (samples is null || samples.Count == 0) return;
        Stopping.ThrowIfCancellationRequested();
        var tensors = new WantedTensors(model, plan);
        using var session = ObservingSession.OpenForFewRuns(model, tensors.Computed, ThreadCount);
        string[] outputs = [.. model.Graph.Outputs.Select(o => o.Name)];
        string[] names = [.. tensors.Names.Union(outputs)];
        int attempt;
        using (var first = SampleAttempts.First(samples, a => Run(session, a, 0, plan, names), r => Tells(r.Outputs, names, outputs), out var failure))
        {
            if (first is null) throw failure!;
            Merge(first, tensors, plan);
            attempt = first.Attempt;
        }

        for (int index = 1; index < Math.Min(samples.Count, plan.SampleLimit ?? int.MaxValue) && plan.IsEnough?.Invoke() != true; index++)
        {
            Stopping.ThrowIfCancellationRequested();
            cancellation.ThrowIfCancellationRequested();
            using var next = Run(session, attempt, index, plan, tensors.Names);
            Merge(next, tensors, plan);
        }
    }

    private static bool Tells(RunOutputs values, string[] names, string[] outputs) =>
        OutputVariation.IsSeen([[.. outputs.Select(o => new NamedValue(o, values.Copy(Array.IndexOf(names, o))))]]);

    private SampleRun Run(ModelSession session, int attempt, int index, StatisticsPlan plan, IReadOnlyCollection<string> names)
    {
        var sample = SampleTensors.Completed(samples!.Read(attempt, index), SampleTensors.Others(plan));
        return new(attempt, index, sample, session.Observe(sample.Inputs, names));
    }

    private static void Merge(SampleRun run, WantedTensors tensors, StatisticsPlan plan)
    {
        var source = new SampleTensors(tensors, run.Sample, run.Outputs, run.Index);
        source.Merge(plan, source.MeasureAll(plan));
    }

    private sealed record SampleRun(int Attempt, int Index, Sample Sample, RunOutputs Outputs) : IDisposable
    {
        public void Dispose() => Outputs.Dispose();
    }
}
