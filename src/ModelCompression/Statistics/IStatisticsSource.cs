using ModelCompression.Onnx.Graph;

namespace ModelCompression.Statistics;

/// <summary>Runs a model over the calibration data and collects statistics on the way.</summary>
public interface IStatisticsSource
{
    /// <summary>Number of samples a collection runs: those of <c>CalibrationData</c>, at most <c>CalibrationSamples</c>.</summary>
    int SampleCount { get; }

    /// <summary>Figures of an earlier run to take instead of measuring, and those of this run; null when nobody asks for them.</summary>
    MeasurementRecord? Record => null;

    /// <summary>
    /// Runs the model as it stands over the samples once and fills the plan's statistics. Memory does not depend on the number of samples; results do not depend on
    /// the number of threads. A pass may collect several times, also for a model it has edited in between.
    /// </summary>
    /// <param name="model">The model; it is the same afterwards. It must not be edited meanwhile.</param>
    /// <param name="plan">What to collect.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">The model does not run on a sample (MCB2041), a sample cannot be read (MCB3003).</exception>
    void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default);

    /// <summary>Collects one plan after the other on the same model. A source for which opening a model is work does it once.</summary>
    /// <param name="model">The model; it must not be edited until the last plan is filled.</param>
    /// <param name="tensors">Every tensor that a plan asks for.</param>
    /// <param name="plans">Asked for one at a time: a plan may depend on what the one before it was filled with.</param>
    /// <param name="cancellation">Stops between samples.</param>
    void CollectInTurn(Model model, IReadOnlyList<Value> tensors, IEnumerable<StatisticsPlan> plans, CancellationToken cancellation = default)
    {
        foreach (var plan in plans) Collect(model, plan, cancellation);
    }

    /// <summary>The same for turns each of which decides inputs for those after it. A source may leave out what a turn does not ask for and compute only once what is decided.</summary>
    /// <param name="model">The model; it must not be edited until the last plan is filled.</param>
    /// <param name="turns">What is known of the turns before they begin.</param>
    /// <param name="plans">One per turn, asked for one at a time, all with the same <see cref="StatisticsPlan.SampleLimit"/>.</param>
    /// <param name="cancellation">Stops between samples.</param>
    void CollectInTurn(Model model, IReadOnlyList<CollectionTurn> turns, IEnumerable<StatisticsPlan> plans, CancellationToken cancellation = default) =>
        CollectInTurn(model, [.. turns.SelectMany(t => t.Tensors).Distinct()], plans, cancellation);

    /// <summary>Collects from each of several edits of a model. A source may compute only once what an edit does not change, and look at several edits at the same time.</summary>
    /// <param name="model">The model; it must not be edited meanwhile.</param>
    /// <param name="edits">The edits; best in the order of the nodes they concern.</param>
    /// <param name="sampleLimit">The <see cref="StatisticsPlan.SampleLimit"/> of all their plans.</param>
    /// <param name="cancellation">Stops between samples.</param>
    void CollectFromEdits(Model model, IReadOnlyList<ModelEdit> edits, int sampleLimit, CancellationToken cancellation = default)
    {
        foreach (var edit in edits)
        {
            var (copy, plan) = edit.Make();
            Collect(copy.Model, plan, cancellation);
        }
    }
}
