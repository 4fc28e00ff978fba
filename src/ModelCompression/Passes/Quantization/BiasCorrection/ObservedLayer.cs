using ModelCompression.Onnx.Graph;
using ModelCompression.Passes.Quantization.Static;

namespace ModelCompression.Passes.Quantization.BiasCorrection;

/// <summary>A layer with the tensors of the float model and of the quantized one whose means are compared.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Wanted">What the float model makes of its output: the output of the Relu or Clip behind it, else the layer's own.</param>
/// <param name="Actual">The same tensor of the quantized model.</param>
/// <param name="Output">The layer's output in the quantized model, where shifts are added.</param>
/// <param name="Bounds">Bounds that cut what is compared, or null.</param>
internal sealed record ObservedLayer(BiasedLayer Layer, Value Wanted, Value Actual, Value Output, ValueBounds? Bounds)
{
    /// <summary>Finds the tensors; null when the quantized model does not compute the layer's output.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="quantized">What nodes of the quantized model's main graph compute, by name.</param>
    public static ObservedLayer? TryFrom(BiasedLayer layer, IReadOnlyDictionary<string, Value> quantized)
    {
        // Codes may have taken the name.
        if (!quantized.TryGetValue(layer.Output.Name, out var output) || output.Producer!.OpType == "QuantizeLinear") return null;
        var biased = layer.Bias.Node == layer.Layer.Node ? layer.Output : layer.Bias.Node.Output()!;
        if (biased is { IsGraphOutput: false, IsReferencedByName: false, Uses: [{ Index: 0, Node: { IsOnnxDomain: true } node }] } && ValueBounds.Of(node) is { } bounds
            && quantized.TryGetValue(node.Output()!.Name, out var actual) && actual.Producer!.OpType == node.OpType)
            return new(layer, node.Output()!, actual, output, bounds);
        return new(layer, layer.Output, output, output, null);
    }
}
