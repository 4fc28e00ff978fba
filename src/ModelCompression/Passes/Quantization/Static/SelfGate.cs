using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>x·HardSigmoid(x), that is HardSwish, or x·Sigmoid(x), that is Swish.</summary>
/// <param name="Input">x.</param>
/// <param name="Gate">The operator that makes the factor.</param>
internal readonly record struct SelfGate(Value Input, Node Gate)
{
    /// <summary>The smallest value of x·Sigmoid(x), at x = −1.2785.</summary>
    private const double LeastSwish = -0.27846454276107377;

    /// <summary>Recognises the product.</summary>
    /// <returns>Null for other nodes.</returns>
    public static SelfGate? Of(Node? node)
    {
        if (node?.Is("Mul") != true) return null;
        return Of(node.Inputs[0], node.Inputs[1]) ?? Of(node.Inputs[1], node.Inputs[0]);
    }

    /// <summary>Slope and offset of HardSigmoid max(0, min(1, alpha·x + beta)); null for another gate and for one that falls.</summary>
    public (float Alpha, float Beta)? Hard => Gate.Is("HardSigmoid") && Gate.GetFloat("alpha", 0.2f) is > 0 and var alpha ? (alpha, Gate.GetFloat("beta", 0.5f)) : null;

    /// <summary>
    /// The smallest value of the product: −beta²/(4·alpha) at x = −beta/(2·alpha) for HardSwish; −∞ where it is not known.
    /// </summary>
    public double Least => Hard is { Alpha: var alpha, Beta: >= 0 and <= 2 and var beta } ? -(double)beta * beta / (4 * alpha) : Gate.Is("Sigmoid") ? LeastSwish : double.NegativeInfinity;

    private static SelfGate? Of(Value? x, Value? factor) =>
        x is not null && factor?.Producer is { } gate && (gate.Is("HardSigmoid") || gate.Is("Sigmoid")) && !gate.IsParameterized && gate.Input(0) == x ? new(x, gate) : null;
}
