using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Writes a plan as QuantizeLinear/DequantizeLinear pairs around float operators, which runtimes fuse into integer ones.</summary>
internal sealed class QdqWriter
{
    private readonly OnnxGraph graph;
    private readonly StaticPlan plan;
    private readonly IReadOnlyDictionary<Value, ActivationScale> scales;
    private readonly StaticConstants constants;
    private readonly string domain;
    private readonly HashSet<(Node, int)> integerUses = [];
    private readonly Dictionary<Node, int> ranks = new(ReferenceEqualityComparer.Instance);
    private const int BiasIndex = 2;

    private int pairCount;

    private QdqWriter(Model model, StaticPlan plan, IReadOnlyDictionary<Value, ActivationScale> scales)
    {
        graph = model.Graph;
        this.plan = plan;
        this.scales = scales;
        constants = new StaticConstants(graph);
        domain = QdqFormat.DomainFor(model, scales.Values);
        foreach (var node in plan.Nodes)
        {
            foreach (int index in node.Activations) integerUses.Add((node.Node, index));
            if (node.WeightValue?.TryGetConstant(out var weight) == true) ranks.Add(node.Node, weight.Rank);
        }
    }

    /// <summary>Writes the plan into the model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="scales">Scale of every tensor of the plan.</param>
    /// <param name="weights">Codes of every linear node's weight.</param>
    public static void Write(Model model, StaticPlan plan, IReadOnlyDictionary<Value, ActivationScale> scales, IReadOnlyDictionary<Value, WeightScales> weights)
    {
        var writer = new QdqWriter(model, plan, scales);
        // Scales of biases are products of the integer side's scales.
        var inputScales = plan.Nodes.Where(n => n.Weight is not null).ToDictionary(n => n.Node, n => scales[n.Node.Inputs[0]!].Map.Scale);
        foreach (var node in plan.Nodes) writer.WriteConstants(node);
        foreach (var node in plan.Nodes)
            if (node.Bias is not null || (node.WeightValue is not null && weights[node.WeightValue].MeanErrors is not null)) writer.WriteBias(node, inputScales[node.Node], weights[node.WeightValue!]);
        foreach (var (value, weight) in weights) writer.WriteWeight(value, weight, plan.Nodes.First(n => n.WeightValue == value).Weight!.ChannelAxes[0]);
        foreach (var tensor in plan.Tensors) writer.WritePair(tensor);
        if (!model.Graph.TrySortTopologically()) throw new InvalidOperationException("The quantized graph has a cycle.");
    }

    private void WritePair(QuantizedTensor tensor)
    {
        var scale = scales[tensor.Tensor];
        var uses = tensor.Tensor.Uses.Where(u => tensor.Everywhere || integerUses.Contains((u.Node, u.Index))).ToArray();
        var type = tensor.Tensor.Type;
        Value[] whole = [constants.Scales([scale.Map.Scale], false), constants.ZeroPoint(scale.Type, scale.Map.ZeroPoint)];
        int number = pairCount++;
        var source = scale.Channels is not null && tensor.Side == ChannelSide.Input ? Factors(tensor.Source, tensor, scale.Channels, c => scale.Map.Scale / c) : tensor.Source;
        var codes = Pair("QuantizeLinear", source, whole, FormattableString.Invariant($"q{number}"));
        var pair = Pair("DequantizeLinear", codes, whole, FormattableString.Invariant($"d{number}"));
        if (scale.Channels is not null && tensor.Side == ChannelSide.Output) pair = Factors(pair, tensor, scale.Channels, c => c / scale.Map.Scale);
        pair.Type = type;
        foreach (var use in uses) use.Node.SetInput(use.Index, pair);
        if (tensor.Everywhere && tensor.Tensor.IsGraphOutput) graph.ReplaceOutput(tensor.Tensor, pair);
        if (tensor.Absorbed is not null) Absorb(tensor, scale, codes);
        // The name stands for the values of the original: not for multiples of them, nor for values that are cut where their consumers cannot tell.
        if (tensor.Side == ChannelSide.Output && scale.Channels is not null && tensor.Source is { IsGraphOutput: false, IsReferencedByName: false }) tensor.Source.TakeNameOf(codes);
    }

    /// <summary>A multiplication of channels, in front of QuantizeLinear or behind DequantizeLinear: these could do it themselves, but are a hundred times slower when they have an axis.</summary>
    private Value Factors(Value input, QuantizedTensor tensor, float[] scales, Func<double, double> factor)
    {
        var convolution = tensor.Side == ChannelSide.Output ? tensor.Source.Producer! : tensor.Tensor.Uses.First(u => integerUses.Contains((u.Node, u.Index))).Node;
        long[] dims = [scales.Length, .. Enumerable.Repeat(1L, ranks[convolution] - 2)];
        return Node("Mul", [input, constants.Factors(Tensor.Float(dims, Array.ConvertAll(scales, s => (float)factor(s))))], tensor.Tensor.Name + "_scaled");
    }

    /// <summary>Removes a Relu or Clip whose bounds the codes have; otherwise puts it in front of the codes.</summary>
    private void Absorb(QuantizedTensor tensor, ActivationScale scale, Value codes)
    {
        if (ValueBounds.Of(tensor.Absorbed!) is { } bounds && bounds.Contain(scale)) graph.RemoveNode(tensor.Absorbed!);
        else codes.Producer!.SetInput(0, tensor.Absorbed!.Outputs[0]!);
    }

    /// <summary>Constants where activations are expected, such as a summand: codes of their own.</summary>
    private void WriteConstants(QuantizedNode node)
    {
        foreach (int index in node.Activations)
        {
            if (!node.Node.Inputs[index]!.TryGetConstant(out var tensor)) continue;
            var value = node.Node.Inputs[index]!;
            var range = ChannelRanges.Of(tensor, ChannelLayout.PerTensor(tensor.ElementCount));
            var map = AffineScale.Covering(range.Min[0], range.Max[0], CodeRange.Asymmetric(8));
            byte[] codes = new byte[tensor.ElementCount];
            AffineQuantizer.Quantize(tensor, ChannelLayout.PerTensor(tensor.ElementCount), [map], CodeRange.Asymmetric(8), codes);
            var stored = graph.AddInitializer(WeightNames.OfCodes(value), Tensor.Create(DataType.UInt8, tensor.Dims, codes));
            node.Node.SetInput(index, Node("DequantizeLinear", [stored, constants.Scales([map.Scale], false), constants.ZeroPoint(DataType.UInt8, map.ZeroPoint)], stored.Name + "d"));
            RemoveUnused(value);
        }
    }

    private void WriteWeight(Value value, WeightScales weight, int axis)
    {
        bool perChannel = weight.Scales.Length > 1;
        var stored = graph.AddInitializer(WeightNames.OfCodes(value), weight.Codes);
        var dequantized = Node("DequantizeLinear", [stored, constants.Scales(weight.Scales, perChannel), constants.Zeros(DataType.Int8, perChannel ? weight.Scales.Length : null)], stored.Name + "d", "",
            perChannel ? [NodeAttribute.Of("axis", (long)axis)] : []);
        foreach (var use in value.Uses.ToArray()) use.Node.SetInput(use.Index, dequantized);
        RemoveUnused(value);
    }

    private void WriteBias(QuantizedNode node, float inputScale, WeightScales weight)
    {
        float[] elements = CorrectedBias(node, weight);
        var (codes, biasScales) = QuantizedBias.Of(elements, inputScale, weight.Scales);
        bool perChannel = biasScales.Length > 1;
        var stored = graph.AddInitializer(node.Bias is null ? WeightNames.OfCodes(node.WeightValue!) + "b" : WeightNames.OfCodes(node.Bias), codes);
        node.Node.SetInput(BiasIndex, Node("DequantizeLinear", [stored, constants.Scales(biasScales, perChannel), constants.Zeros(DataType.Int32, perChannel ? biasScales.Length : null)], stored.Name + "d", "",
            perChannel ? [NodeAttribute.Of("axis", 0L)] : []));
        if (node.Bias is not null) RemoveUnused(node.Bias);
    }

    /// <summary>The bias less what the rounding of the weights adds on average, in the unit of the integer side.</summary>
    private static float[] CorrectedBias(QuantizedNode node, WeightScales weight)
    {
        int channels = (int)weight.Codes.Dims[node.Weight!.ChannelAxes[0]];
        float[] elements = node.Bias?.TryGetConstant(out var tensor) == true ? tensor.AsSpan<float>().ToArray() : new float[channels];
        for (int c = 0; c < elements.Length; c++)
            elements[c] = (float)((elements[c] - (weight.MeanErrors?[c] ?? 0)) * (weight.OutputFactors?[c] ?? 1));
        return elements;
    }

    private Value Pair(string opType, Value input, Value[] parameters, string name) => Node(opType, [input, .. parameters], name, domain);

    private Value Node(string opType, IEnumerable<Value> inputs, string name, string nodeDomain = "", params NodeAttribute[] attributes) =>
        graph.AddNode(opType, inputs, [name], attributes, nodeDomain).Outputs[0]!;

    private static void RemoveUnused(Value constant)
    {
        if (!constant.IsUnused) return;
        if (constant.Producer is { } producer) constant.Graph.RemoveNode(producer);
        else constant.Graph.RemoveInitializer(constant);
    }
}
