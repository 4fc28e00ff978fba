using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>The work of a linear operator, which is what integers save.</summary>
/// <param name="Products">Multiplications in an average sample.</param>
/// <param name="PerElement">Multiplications per element of its input and output, which is what converting to and from integers costs.</param>
internal readonly record struct NodeWork(double Products, double PerElement)
{
    /// <summary>Estimates the work of a linear operator from the element counts calibration has seen.</summary>
    public static NodeWork Of(QuantizedNode node, ActivationRanges ranges)
    {
        node.WeightValue!.TryGetConstant(out Tensor? weight);
        double perOutput = (double)weight!.ElementCount / weight.Dims[node.Weight!.ChannelAxes[0]];
        double input = ranges.ElementCount(node.Node.Inputs[0]!), output = node.Outputs.Concat(AbsorbedOutput(node.Node)).Sum(ranges.ElementCount);
        // A product whose output stays float is not measured there: it has as many rows as its input.
        if (output == 0) output = input / perOutput * weight.Dims[node.Weight.ChannelAxes[0]];
        return new(output * perOutput, output * perOutput / Math.Max(1, input + output));
    }

    private static IEnumerable<Value> AbsorbedOutput(Node node) =>
        node.Outputs[0]!.Uses.Count == 1 && StaticOperators.RoleOf(node.Outputs[0]!.Uses[0].Node) == StaticRole.Bounds ? [node.Outputs[0]!.Uses[0].Node.Outputs[0]!] : [];
}
