using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients;

/// <summary>Diagnostics of differentiation.</summary>
internal static class GradientError
{
    /// <summary>An operator between a wanted weight and the loss has no rule, or not for the way it is used.</summary>
    public static DiagnosticException NoRule(Node node, string reason) => new("MCB4060",
        $"Gradients cannot be computed through {node.OpType} '{node.DisplayName}': {reason}. Exclude the layers before it with ExcludeNodes, or choose a criterion that needs no gradients (Pruning=Magnitude or Wanda, FineTuneEpochs=0).");

    /// <summary>A size that the rules need is not known.</summary>
    public static DiagnosticException UnknownShape(Value value, string reason) => new("MCB4061",
        $"Gradients need the shape of '{value.Name}', which is not known before the model runs: {reason}. Choose a criterion that needs no gradients (Pruning=Magnitude or Wanda, FineTuneEpochs=0).");

    /// <summary>No output can be compared with labels.</summary>
    public static DiagnosticException NoScores(string outputs) => new("MCB3017",
        $"No output holds one score per class for each labelled sample; outputs are {outputs}. Expected [samples, classes]. Give expected outputs (output:<name>) instead of labels; fine-tuning also works with FineTuneLoss=Distillation, which needs neither.");

    /// <summary>No output can be compared at all.</summary>
    public static DiagnosticException NoNumbers() => new("MCB3017",
        "No output of the model is binary32, so there is no loss to differentiate. Choose a criterion that needs no gradients (Pruning=Magnitude or Wanda, FineTuneEpochs=0).");
}
