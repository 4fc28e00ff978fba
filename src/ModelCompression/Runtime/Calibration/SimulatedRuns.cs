using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Collects statistics over <see cref="SyntheticInputs"/>, for methods without data that need a rough idea of what layers see.</summary>
/// <param name="samples">Inputs made up from the model's interface.</param>
public sealed class SimulatedRuns(SyntheticInputs samples) : IStatisticsSource
{
    /// <summary>Fixed, so that results do not depend on the machine's number of cores.</summary>
    private const int ThreadCount = 2;

    /// <inheritdoc/>
    public int SampleCount => samples.Count;

    /// <inheritdoc/>
    public MeasurementRecord? Record { get; init; }

    /// <inheritdoc/>
    public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default)
    {
        var tensors = new WantedTensors(model, plan);
        using var session = Open(model, tensors.Computed);
        DiagnosticException? first = null;
        for (int attempt = 0; attempt < samples.AttemptCount; attempt++)
        {
            try
            {
                Collect(session, tensors, plan, attempt, cancellation);
                return;
            }
            catch (DiagnosticException e) when (e.Diagnostic.Code == "MCB2041")
            {
                first ??= e;
            }
        }

        if (first is not null) throw first;
    }

    /// <summary>A model that fails does so on the first sample, before anything has been merged.</summary>
    private void Collect(ModelSession session, WantedTensors tensors, StatisticsPlan plan, int attempt, CancellationToken cancellation)
    {
        for (int index = 0; index < Math.Min(samples.Count, plan.SampleLimit ?? int.MaxValue); index++)
        {
            cancellation.ThrowIfCancellationRequested();
            var sample = SampleTensors.Completed(samples.Read(attempt, index), plan);
            using var outputs = session.Observe(sample.Inputs, tensors.Names);
            var source = new SampleTensors(tensors, sample, outputs, index);
            source.Merge(plan, source.MeasureAll(plan));
        }
    }

    /// <summary>Large weights are lent to the session. The few models that need the optimizer or their constants inside are opened the usual way.</summary>
    private static ModelSession Open(Model model, IReadOnlyList<Value> wanted)
    {
        if (LentWeights.Of(model) is { } weights)
        {
            try
            {
                var copy = ModelCopy.Of(model);
                foreach (var value in wanted)
                    if (copy.Values[value] is var output && !output.OutputOf.Contains(copy.Model.Graph)) copy.Model.Graph.AddOutput(output);
                return ModelSession.Open(copy.Model, SessionSettings.Lean with { Threads = ThreadCount }, ModelRole.Original, weights);
            }
            catch (DiagnosticException)
            {
                // Below.
            }
        }

        return ObservingSession.Open(model, wanted, SessionSettings.Default with { Threads = ThreadCount });
    }
}
