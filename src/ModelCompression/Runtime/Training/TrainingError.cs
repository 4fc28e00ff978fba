using ModelCompression.Onnx.Diagnostics;

namespace ModelCompression.Runtime.Training;

/// <summary>Diagnostics about training data.</summary>
internal static class TrainingError
{
    /// <summary>The data has nothing to compare outputs with.</summary>
    public static DiagnosticException NoTargets(string need) => new("MCB3020",
        $"TrainingData has no {need}, so there is no loss to differentiate. Add an int64 array 'labels' (or expected outputs as 'output:<name>') to the .npz; fine-tuning also works without, with FineTuneLoss=\"Distillation\".");

    /// <summary>A label is no class of the model.</summary>
    public static DiagnosticException LabelRange(long label, string output, long classes) => new("MCB3010",
        FormattableString.Invariant($"The labels hold {label}, but output '{output}' has classes 0 to {classes - 1} only."));
}
