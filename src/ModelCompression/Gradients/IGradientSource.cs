using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Gradients;

/// <summary>What the outputs are compared with.</summary>
public enum TrainingLoss
{
    /// <summary>Cross-entropy with the data's labels.</summary>
    Labels,

    /// <summary>Squared error against the data's expected outputs.</summary>
    ExpectedOutputs,

    /// <summary>Against what the original model gives: cross-entropy with its class probabilities where there are classes, else squared error.</summary>
    Distillation,
}

/// <summary>Where a feed comes from.</summary>
/// <param name="File">The file or folder of data.</param>
/// <param name="Number">Number of the feed in it, from 0.</param>
/// <param name="NotFiniteInput">An input in which it has NaN or an infinity; null without one.</param>
public sealed record FeedOrigin(string File, int Number, string? NotFiniteInput);

/// <summary>Gradients over training data. Passes know runtimes only through this.</summary>
public interface IGradientSource
{
    /// <summary>Number of feeds, each of one sample or one fixed batch of the model.</summary>
    int FeedCount { get; }

    /// <summary>Runs of a session that may be under way at the same time to use the machine; at least 1.</summary>
    int Parallelism { get; }

    /// <summary>Rows of a feed: 1, or the model's fixed batch size.</summary>
    int RowsPerFeed { get; }

    /// <summary>The loss that the data is made for: labels, else expected outputs, else null.</summary>
    TrainingLoss? NaturalLoss { get; }

    /// <summary>True if feeds may be read in any order at no cost.</summary>
    bool IsRandomAccess { get; }

    /// <summary>Where a feed comes from.</summary>
    FeedOrigin OriginOf(int feed);

    /// <summary>Choices of an earlier run to take instead of making them again, and those of this run; null when nobody asks for them.</summary>
    MeasurementRecord? Record => null;

    /// <summary>Differentiates a model as it stands now.</summary>
    /// <param name="model">The model; it must not change while the session is open.</param>
    /// <param name="weights">Floating point constants of the main graph. Those of other types than binary32 have the gradients that they have in the same model in binary32.</param>
    /// <param name="loss">The loss.</param>
    /// <param name="current">Where the weights are read from at every run, one array per weight, so that they can change; null for the model's own.</param>
    /// <param name="gateAxes">Per weight an axis to get the gradients of factors on its positions instead of that of the weight (<see cref="GradientRequest.GateAxes"/>); null for none.</param>
    /// <param name="splitsMatrices">True if gradients of large matrices may be left as factors, which only <see cref="IGradientSession.Collect(IReadOnlyList{int}, MiniBatchGradients, CancellationToken)"/> takes.</param>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB4060, MCB4061: no gradient. MCB3010, MCB3017, MCB3020: the data does not serve.</exception>
    IGradientSession Open(Model model, IReadOnlyList<Value> weights, TrainingLoss loss, float[][]? current = null, IReadOnlyList<int?>? gateAxes = null, bool splitsMatrices = false);
}

/// <summary>An open gradient computation. Runs may be made from several threads at once.</summary>
public interface IGradientSession : IDisposable
{
    /// <summary>Per weight, whether the loss depends on it.</summary>
    IReadOnlyList<bool> Reached { get; }

    /// <summary>The mean loss over the rows of some feeds and, when <paramref name="gradients"/> is given, its gradients, which replace the arrays' content.</summary>
    /// <param name="feeds">Feed numbers.</param>
    /// <param name="gradients">One array per weight, as long as the weight or its axis of factors; zeros where the loss does not depend on it. Null: only the loss.</param>
    /// <param name="cancellation">Stops between parts.</param>
    /// <remarks>Feeds are computed in parts of fixed size whose sums are added in order: the result does not depend on the number of threads.</remarks>
    double Run(IReadOnlyList<int> feeds, float[][]? gradients, CancellationToken cancellation = default);

    /// <summary>The same, with gradients in whichever form they come.</summary>
    double Collect(IReadOnlyList<int> feeds, MiniBatchGradients gradients, CancellationToken cancellation = default);
}
