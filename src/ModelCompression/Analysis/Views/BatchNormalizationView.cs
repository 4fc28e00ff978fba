using System.Diagnostics.CodeAnalysis;
using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Views;

/// <summary>A <c>BatchNormalization</c> with all defaults applied: y = scale·(x − mean)/√(variance + epsilon) + bias, per channel (axis 1).</summary>
/// <param name="Node">The node.</param>
/// <param name="Input">x [N, C, …].</param>
/// <param name="Scale">[C].</param>
/// <param name="Bias">[C].</param>
/// <param name="Mean">[C].</param>
/// <param name="Variance">[C].</param>
/// <param name="Epsilon">Added to the variance.</param>
/// <param name="Momentum">Of the running statistics; without meaning at inference.</param>
/// <param name="IsInference">
/// True if the stored statistics are used. False when <c>training_mode=1</c> (opset 14) or, before, when statistics are outputs.
/// </param>
/// <param name="IsSpatial">
/// True if statistics are per channel. Opsets 1–8 with <c>spatial=0</c> keep them per element of [C, …] instead.
/// </param>
public sealed record BatchNormalizationView(
    Node Node, Value Input, Value Scale, Value Bias, Value Mean, Value Variance, float Epsilon, float Momentum, bool IsInference, bool IsSpatial)
{
    /// <summary>Sees <paramref name="node"/> as a batch normalization.</summary>
    public static bool TryFrom(Node node, [NotNullWhen(true)] out BatchNormalizationView? view)
    {
        view = null;
        var attributes = new NodeAttributes(node);
        if (!node.Is("BatchNormalization") || attributes.HasUnboundReference) return false;
        if (node.Input(0) is not { } x || node.Input(1) is not { } scale || node.Input(2) is not { } bias || node.Input(3) is not { } mean || node.Input(4) is not { } variance)
            return false;
        bool isTraining = attributes.Int("training_mode", 0) != 0 || (!attributes.Has("training_mode") && node.Outputs.Skip(1).Any(o => o is not null));
        view = new(
            node, x, scale, bias, mean, variance, attributes.Float("epsilon", 1e-5f), attributes.Float("momentum", 0.9f), !isTraining, attributes.Int("spatial", 1) != 0);
        return true;
    }
}
