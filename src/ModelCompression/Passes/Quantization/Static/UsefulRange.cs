using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>The part of a tensor's range that its consumers can tell apart.</summary>
/// <remarks>
/// What HardSigmoid, and with it HardSwish x·HardSigmoid(x), makes of x is the same for all x below −beta/alpha; Relu and Clip likewise. Codes for values outside would be wasted: in front
/// of HardSwish they are often half of all.
/// </remarks>
internal static class UsefulRange
{
    /// <summary>Bounds beyond which all consumers see the same; infinite where there is none.</summary>
    public static (double Min, double Max) Of(Value tensor)
    {
        if (tensor.Uses.Count == 0 || tensor.IsGraphOutput) return (double.NegativeInfinity, double.PositiveInfinity);
        double min = double.PositiveInfinity, max = double.NegativeInfinity;
        foreach (var use in tensor.Uses)
        {
            var (low, high) = OfUse(tensor, use.Node);
            (min, max) = (Math.Min(min, low), Math.Max(max, high));
        }

        return (min, max);
    }

    private static (double Min, double Max) OfUse(Value tensor, Node consumer)
    {
        if (Gate(consumer) is { } gate) return gate;
        if (ValueBounds.Of(consumer) is { } bounds && consumer.Input(0) == tensor && consumer.Inputs.Skip(1).All(i => i != tensor)) return (bounds.Min, bounds.Max);
        if (SelfGate.Of(consumer) is { } product && product.Input == tensor && Gate(product.Gate) is { } own) return (own.Min, double.PositiveInfinity);
        return (double.NegativeInfinity, double.PositiveInfinity);
    }

    private static (double Min, double Max)? Gate(Node node)
    {
        if (!node.Is("HardSigmoid") || node.IsParameterized) return null;
        double alpha = node.GetFloat("alpha", 0.2f), beta = node.GetFloat("beta", 0.5f);
        return alpha > 0 ? (-beta / alpha, (1 - beta) / alpha) : null;
    }
}
