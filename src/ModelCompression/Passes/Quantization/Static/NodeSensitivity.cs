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

    /// <summary>Noise-to-signal ratios of the outputs with one linear operator each, and a Relu or Clip behind it, quantized.</summary>
    /// <param name="linear">The linear operators, in graph order.</param>
    /// <param name="nodes">All operators that could be quantized.</param>
    /// <param name="most">The ratio that matters: what is above it is measured roughly.</param>
    public IReadOnlyDictionary<Node, double> MeasureAlone(IReadOnlyList<QuantizedNode> linear, IReadOnlyList<QuantizedNode> nodes, double most)
    {
        var alone = linear.Select(l => new[] { l }.Concat(nodes.Where(b => b.Role == StaticRole.Bounds && b.Node.Inputs[0] == l.Node.Outputs[0])).ToArray()).ToArray();
        var plans = Array.ConvertAll(alone, StaticPlan.Of);
        // One after the other, since ranges are chosen when they are asked for first.
        var scales = Array.ConvertAll(plans, p => ranges.Scales(p, settings.Model.ActivationBits));
        double[] noise = reference.NoiseToSignal(model, [.. plans.Select((p, i) => ((IReadOnlyList<Value>)[.. alone[i].SelectMany(n => n.Outputs)], (Func<ModelCopy>)(() => Quantized(p, scales[i]))))], RankedSamples, most);
        return linear.Select((l, i) => KeyValuePair.Create(l.Node, noise[i])).ToDictionary();
    }

    /// <summary>True if the noise-to-signal ratio of the outputs with these nodes quantized and everything else float is at most <paramref name="most"/>.</summary>
    public bool IsWithin(IReadOnlyList<QuantizedNode> nodes, double most) => reference.IsWithin(Quantized(nodes).Model, most);

    private ModelCopy Quantized(IReadOnlyList<QuantizedNode> nodes)
    {
        var plan = StaticPlan.Of(nodes);
        return Quantized(plan, ranges.Scales(plan, settings.Model.ActivationBits));
    }

    private ModelCopy Quantized(StaticPlan plan, IReadOnlyDictionary<Value, ActivationScale> scales)
    {
        var weights = new StaticWeights(plan, scales, settings, model.OpsetImports.Onnx >= QdqFormat.AxisOpset, ranges).Quantize();
        var copy = ModelCopy.Of(model);
        var copied = plan.Nodes.Select(n => n with
        {
            Node = copy.Nodes[n.Node],
            Weight = n.Weight is null ? null : n.Weight with { Node = copy.Nodes[n.Node] },
            WeightValue = n.WeightValue is null ? null : copy.Values[n.WeightValue],
            Bias = n.Bias is null ? null : copy.Values[n.Bias],
        }).ToArray();
        var copiedScales = new Dictionary<Value, ActivationScale>(scales.Select(s => KeyValuePair.Create(copy.Values[s.Key], s.Value)), ReferenceEqualityComparer.Instance);
        var copiedWeights = new Dictionary<Value, WeightScales>(weights.Select(w => KeyValuePair.Create(copy.Values[w.Key], w.Value)), ReferenceEqualityComparer.Instance);
        QdqWriter.Write(copy.Model, StaticPlan.Of(copied), copiedScales, copiedWeights);
        return copy;
    }
}
