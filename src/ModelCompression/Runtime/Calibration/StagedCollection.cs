using System.Runtime.ExceptionServices;
using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>Collects over a few samples without computing anything twice that stays the same, see <see cref="CollectionStages"/>.</summary>
/// <param name="loop">Runs the samples.</param>
internal sealed class StagedCollection(SampleLoop loop)
{
    /// <summary>For more samples what is kept between stages could take more memory than running the whole model again takes time.</summary>
    private const int MostSamples = 16;

    /// <summary>Edits that start from the same values. Fixed, so that results do not depend on the number of threads.</summary>
    private const int EditsPerStage = 4;

    /// <summary>Edits of models with larger weights are looked at one at a time, to save memory.</summary>
    private const long SerialByteLength = 128L << 20;

    /// <summary>Collects turn by turn.</summary>
    /// <param name="model">The model.</param>
    /// <param name="turns">The turns.</param>
    /// <param name="plans">Their plans, at the first.</param>
    /// <param name="sampleCount">Samples.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <returns>False if the current plan and those after it are still to be filled: there are too many samples, or ONNX Runtime does not run the model in parts.</returns>
    public bool TryCollect(Model model, IReadOnlyList<CollectionTurn> turns, IEnumerator<StatisticsPlan> plans, int sampleCount, CancellationToken cancellation)
    {
        if (sampleCount is 0 or > MostSamples) return false;
        using var runs = new StagedRuns(model, sampleCount);
        foreach (var stage in CollectionStages.Of(model, turns))
        {
            var plan = plans.Current;
            var tensors = new WantedTensors(model, plan);
            if (!runs.TryOpen(stage)) return false;
            loop.Collect(() => runs.Start(tensors.Computed), tensors, plan, 0, sampleCount, cancellation);
            if (!plans.MoveNext()) return true;
        }

        return false;
    }

    /// <summary>Collects from edits.</summary>
    /// <param name="model">The model.</param>
    /// <param name="edits">The edits.</param>
    /// <param name="sampleCount">Samples.</param>
    /// <param name="collectWhole">Fills a plan by running a whole model: for too many samples, and edits that ONNX Runtime does not run in parts.</param>
    /// <param name="cancellation">Stops between samples.</param>
    public void Collect(Model model, IReadOnlyList<ModelEdit> edits, int sampleCount, Action<Model, StatisticsPlan> collectWhole, CancellationToken cancellation)
    {
        var groups = edits.Chunk(EditsPerStage).ToArray();
        var stages = CollectionStages.OfEdits(model, [.. groups.Select(g => g.SelectMany(e => e.Changed).ToArray())]);
        bool isLarge = model.AllGraphs().SelectMany(g => g.Initializers).Sum(i => i.Initializer?.ByteLength ?? 0) > SerialByteLength;
        var inner = isLarge ? loop : loop.With(1);
        var nothing = new StatisticsPlan();
        bool isStaged = sampleCount is > 0 and <= MostSamples;
        using var runs = new StagedRuns(model, isStaged ? sampleCount : 0);
        foreach (var (group, stage) in groups.Zip(stages))
        {
            isStaged = isStaged && runs.TryOpen(stage);
            if (isStaged && stage.Outputs.Count > 0) loop.Collect(() => runs.Start([]), new WantedTensors(model, nothing), nothing, 0, sampleCount, cancellation);
            SideBySide(group, isLarge || !isStaged ? 1 : loop.Threads, edit =>
            {
                var (copy, plan) = edit.Make();
                var tensors = new WantedTensors(copy.Model, plan);
                using var behind = isStaged ? runs.TryOpenBehind(copy, tensors.Computed) : null;
                if (behind is null) collectWhole(copy.Model, plan);
                else inner.Collect(() => runs.StartBehind(behind), tensors, plan, 0, sampleCount, cancellation);
            });
        }
    }

    /// <summary>Does something with several edits at the same time. If it fails, the failure is that of the first edit, whichever thread was first.</summary>
    private static void SideBySide(ModelEdit[] edits, int threads, Action<ModelEdit> look)
    {
        var failures = new ExceptionDispatchInfo?[edits.Length];
        Parallel.For(0, edits.Length, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, i =>
        {
            try
            {
                look(edits[i]);
            }
            catch (Exception e)
            {
                failures[i] = ExceptionDispatchInfo.Capture(e);
            }
        });
        failures.FirstOrDefault(f => f is not null)?.Throw();
    }
}
