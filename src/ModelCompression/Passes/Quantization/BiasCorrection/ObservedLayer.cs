using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.BiasCorrection;

/// <summary>A layer with the tensors of the float model and of the quantized one whose means are compared.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Wanted">What the float model makes of its output, see <see cref="ActivationChain"/>; where the quantized model has no such tensor, the layer's own output.</param>
/// <param name="Actual">The same tensor of the quantized model.</param>
/// <param name="Output">The layer's output in the quantized model, where shifts are added.</param>
/// <param name="Segments">How what is compared moves with the bias; null if it moves just as much.</param>
internal sealed record ObservedLayer(BiasedLayer Layer, Value Wanted, Value Actual, Value Output, IReadOnlyList<SlopeSegment>? Segments)
{
    /// <summary>Finds the tensors; null when the quantized model does not compute the layer's output.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="quantized">What nodes of the quantized model's main graph compute, by name.</param>
    public static ObservedLayer? TryFrom(BiasedLayer layer, IReadOnlyDictionary<string, Value> quantized)
    {
        // Codes may have taken the name.
        if (!quantized.TryGetValue(layer.Output.Name, out var output) || output.Producer!.OpType == "QuantizeLinear") return null;
        var chain = ActivationChain.Behind(layer.Bias.Node == layer.Layer.Node ? layer.Output : layer.Bias.Node.Output()!);
        if (chain.End.Producer is { } last && quantized.TryGetValue(chain.End.Name, out var actual) && actual.Producer!.OpType == last.OpType) return new(layer, chain.End, actual, output, chain.Segments);
        return new(layer, layer.Output, output, output, null);
    }
}
