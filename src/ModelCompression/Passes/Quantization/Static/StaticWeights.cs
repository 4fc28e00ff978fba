using ModelCompression.Analysis.Views;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Quantizes the weights of a plan.</summary>
/// <param name="plan">The plan.</param>
/// <param name="scales">Scales of the activations.</param>
/// <param name="settings">Settings.</param>
/// <param name="allowsChannels">False where DequantizeLinear takes one scale only.</param>
/// <param name="ranges">Means of the activations.</param>
internal sealed class StaticWeights(StaticPlan plan, IReadOnlyDictionary<Value, ActivationScale> scales, CompressionSettings settings, bool allowsChannels, ActivationRanges ranges)
{
    /// <summary>Codes per weight, in graph order of the first consumer.</summary>
    public IReadOnlyDictionary<Value, WeightScales> Quantize()
    {
        var groups = plan.Nodes.Where(n => n.WeightValue is not null).GroupBy(n => n.WeightValue!, ReferenceEqualityComparer.Instance).Select(g => g.ToArray()).ToArray();
        var results = new WeightScales?[groups.Length];
        Parallel.For(0, groups.Length, i => results[i] = Make(groups[i]));
        var weights = new Dictionary<Value, WeightScales>(ReferenceEqualityComparer.Instance);
        for (int i = 0; i < groups.Length; i++) weights.Add(groups[i][0].WeightValue!, results[i]!);
        return weights;
    }

    private WeightScales? Make(QuantizedNode[] consumers)
    {
        var node = consumers[0];
        node.WeightValue!.TryGetConstant(out var tensor);
        var options = settings.For(node.Node);
        int? axis = !allowsChannels || options.QuantizationGranularity == QuantizationGranularity.Tensor ? null : node.Weight!.ChannelAxes[0];
        int count = axis is { } a ? (int)tensor!.Dims[a] : 1;
        var input = scales[node.Node.Inputs[0]!];
        if (input.Channels is not null && ConvView.TryFrom(node.Node, out var view)) tensor = EqualizedWeights.ForInput(view, tensor!, input);
        double[] least = new double[count];
        foreach (var consumer in consumers)
        {
            if (consumer.Bias is null || !consumer.Bias.TryGetConstant(out var bias)) continue;
            double[] own = QuantizedBias.LeastWeightScales(bias.AsSpan<float>(), scales[consumer.Node.Inputs[0]!].Map.Scale, count);
            for (int c = 0; c < count; c++) least[c] = Math.Max(least[c], own[c]);
        }

        bool isDepthwise = ConvView.TryFrom(node.Node, out var depthwise) && depthwise is { IsDepthwise: true } && depthwise.OutputChannels == depthwise.Group;
        // Activations of 16 bits have no integer kernels that could saturate.
        if (TargetProcessor.SaturatesSignedWeights(settings.Model.TargetCpu) && options.ActivationBits == 8 && !isDepthwise) RaiseToPairSums(tensor!, axis, least);
        var made = WeightScales.TryMake(tensor!, axis, CodeRange.Symmetric(8), least, options.QuantizationScheme == QuantizationScheme.PowerOfTwo);
        if (made is not null && options.BiasCorrection != false && ConvView.TryFrom(node.Node, out var conv) && ranges.ChannelMeans(node.Node.Inputs[0]!) is { } means && means.Length == conv.InputChannels)
            made = made with { MeanErrors = RoundingShift.Of(conv, tensor!, made, means, input) };
        return made is null || OutputOf(node)?.Channels is null ? made : made.ScaledBy(EqualizedWeights.ForOutput(OutputOf(node)!));
    }

    /// <summary>Raises the least scales so that no two products of a channel saturate.</summary>
    private static void RaiseToPairSums(Tensor weight, int? axis, double[] least)
    {
        var elements = weight.AsSpan<float>();
        if (axis is not { } a)
        {
            least[0] = Math.Max(least[0], SaturatingProducts.LeastScale(elements));
            return;
        }

        int inner = 1;
        foreach (long size in weight.Dims[(a + 1)..]) inner *= (int)size;
        float[] channel = new float[elements.Length / least.Length];
        for (int c = 0; c < least.Length; c++)
        {
            for (int i = 0; i < channel.Length; i++) channel[i] = elements[(((i / inner * least.Length) + c) * inner) + (i % inner)];
            least[c] = Math.Max(least[c], SaturatingProducts.LeastScale(channel));
        }
    }

    /// <summary>Scale of what the node returns, with an absorbed Relu or Clip behind it.</summary>
    private ActivationScale? OutputOf(QuantizedNode node) =>
        plan.Tensors.FirstOrDefault(t => t.Source == node.Node.Outputs[0] && t.Everywhere) is { } tensor ? scales[tensor.Tensor] : null;
}
