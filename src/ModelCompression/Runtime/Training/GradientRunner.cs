using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Training;

/// <summary>Computes gradients in ONNX Runtime.</summary>
/// <param name="data">Training data, opened for the original's interface; stays open as long as this is used.</param>
/// <param name="originalPath">The original model, for distillation.</param>
/// <param name="threads">Parts of a mini-batch that run at the same time; results do not depend on it.</param>
public sealed class GradientRunner(DataSet data, string originalPath, int threads) : IGradientSource, IDisposable
{
    private readonly Lazy<Teacher> teacher = new(() => new Teacher(originalPath));
    private readonly Lazy<TrainingSamples> samples = new(() => new TrainingSamples(data));

    /// <inheritdoc/>
    public MeasurementRecord? Record { get; init; }

    /// <inheritdoc/>
    public int FeedCount => data.Count;

    /// <inheritdoc/>
    public int Parallelism => Math.Max(1, threads);

    /// <inheritdoc/>
    public int RowsPerFeed => Math.Max(1, JoinedFeed.RowsOf(samples.Value[0]));

    /// <inheritdoc/>
    public TrainingLoss? NaturalLoss => data.HasLabels ? TrainingLoss.Labels : data.ExpectedOutputs.Count > 0 ? TrainingLoss.ExpectedOutputs : null;

    /// <inheritdoc/>
    public bool IsRandomAccess => samples.Value.IsRandomAccess;

    /// <inheritdoc/>
    public FeedOrigin OriginOf(int feed)
    {
        var (file, number) = data.OriginOf(feed);
        return new(file, number, samples.Value[feed].NotFiniteInput);
    }

    /// <inheritdoc/>
    public IGradientSession Open(Model model, IReadOnlyList<Value> weights, TrainingLoss loss, float[][]? current = null, IReadOnlyList<int?>? gateAxes = null, bool splitsMatrices = false)
    {
        if (loss == TrainingLoss.Labels && !data.HasLabels) throw TrainingError.NoTargets("labels");
        if (loss == TrainingLoss.ExpectedOutputs && data.ExpectedOutputs.Count == 0) throw TrainingError.NoTargets("expected outputs");
        samples.Value.ReadAll();
        bool areClasses = loss == TrainingLoss.Labels || (loss == TrainingLoss.Distillation && GivesClasses(model));
        var session = new GradientSession(
            SinglePrecisionModel.Of(model, weights), gateAxes, current, areClasses ? GradientLossKind.CrossEntropy : GradientLossKind.SquaredError, loss == TrainingLoss.ExpectedOutputs ? data.ExpectedOutputs : [],
            samples.Value, new TargetValues(loss, loss == TrainingLoss.Distillation ? teacher.Value.Outputs : null), Math.Max(1, threads), IsBatchable(model) && samples.Value.IsBatchable, splitsMatrices);
        try
        {
            session.Prepare();
            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>True for a single output that is made by a softmax, or that the data has labels for.</summary>
    private bool GivesClasses(Model model) =>
        model.Graph.Outputs is [var output] && (data.HasLabels || (output.Producer is { } last && (last.Is("Softmax") || last.Is("LogSoftmax"))));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (teacher.IsValueCreated) teacher.Value.Dispose();
    }

    /// <summary>True if the model leaves the size of axis 0 of every input open and the same.</summary>
    private static bool IsBatchable(Model model)
    {
        var batches = model.Graph.Inputs.Where(i => i.Initializer is null).Select(i => i.TensorType?.Shape is { Rank: > 0 } shape ? shape[0] : Dimension.Of(1)).ToList();
        return batches.TrueForAll(b => !b.IsKnown && b.Symbol == batches[0].Symbol);
    }
}
