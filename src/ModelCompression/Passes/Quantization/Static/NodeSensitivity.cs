using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Sensitivity;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>How much noise each linear operator brings to the outputs when it alone computes with integers.</summary>
/// <param name="model">The float model.</param>
/// <param name="reference">Its outputs.</param>
/// <param name="ranges">Ranges of its activations.</param>
/// <param name="settings">Settings.</param>
internal sealed class NodeSensitivity(Model model, OutputReference reference, ActivationRanges ranges, CompressionSettings settings)
{
    /// <summary>Samples that tell operators apart; how many of them may be integers is decided on more.</summary>
    private const int RankedSamples = 4;

    /// <summary>Noise-to-signal ratio of the outputs with one linear operator, and a Relu or Clip behind it, quantized.</summary>
    public double MeasureAlone(QuantizedNode linear, IReadOnlyList<QuantizedNode> nodes) =>
        Measure([linear, .. nodes.Where(b => b.Role == StaticRole.Bounds && b.Node.Inputs[0] == linear.Node.Outputs[0])], RankedSamples);

    /// <summary>Noise-to-signal ratio of the outputs with these nodes quantized and everything else float.</summary>
    /// <param name="nodes">The nodes.</param>
    /// <param name="samples">Compares only the first so many samples; null for all.</param>
    public double Measure(IReadOnlyList<QuantizedNode> nodes, int? samples = null)
    {
        var plan = StaticPlan.Of(nodes);
        var scales = ranges.Scales(plan, settings.Model.ActivationBits);
        var weights = new StaticWeights(plan, scales, settings, model.OpsetImports.Onnx >= QdqFormat.AxisOpset, ranges).Quantize();
        var copy = ModelCopy.Of(model);
        var copied = nodes.Select(n => n with
        {
            Node = copy.Nodes[n.Node],
            Weight = n.Weight is null ? null : n.Weight with { Node = copy.Nodes[n.Node] },
            WeightValue = n.WeightValue is null ? null : copy.Values[n.WeightValue],
            Bias = n.Bias is null ? null : copy.Values[n.Bias],
        }).ToArray();
        var copiedScales = new Dictionary<Value, ActivationScale>(scales.Select(s => KeyValuePair.Create(copy.Values[s.Key], s.Value)), ReferenceEqualityComparer.Instance);
        var copiedWeights = new Dictionary<Value, WeightScales>(weights.Select(w => KeyValuePair.Create(copy.Values[w.Key], w.Value)), ReferenceEqualityComparer.Instance);
        QdqWriter.Write(copy.Model, StaticPlan.Of(copied), copiedScales, copiedWeights);
        return reference.NoiseToSignal(copy.Model, samples);
    }
}
