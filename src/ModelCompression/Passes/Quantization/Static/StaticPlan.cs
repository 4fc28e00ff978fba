using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>A tensor that gets a QuantizeLinear/DequantizeLinear pair.</summary>
/// <param name="Tensor">The tensor whose consumers read quantized values; behind an operator whose bounds are absorbed, that operator's output.</param>
/// <param name="Source">What is quantized: <paramref name="Tensor"/>, or the input of the absorbed operator.</param>
/// <param name="Absorbed">Relu or Clip that disappears because the codes have the same bounds, or null.</param>
/// <param name="Everywhere">True if every consumer reads the pair: the producer computes with integers. Otherwise only integer consumers do.</param>
/// <param name="Side">Where channels can have scales of their own.</param>
internal sealed record QuantizedTensor(Value Tensor, Value Source, Node? Absorbed, bool Everywhere, ChannelSide Side);

/// <summary>Which tensors are quantized for a choice of nodes, and which of them share a scale.</summary>
internal sealed class StaticPlan
{
    private readonly Dictionary<Node, QuantizedNode> nodes;
    private readonly Dictionary<Value, Value> parents = new(ReferenceEqualityComparer.Instance);
    private readonly List<QuantizedTensor> tensors = [];
    private readonly HashSet<Value> seen = new(ReferenceEqualityComparer.Instance);

    private StaticPlan(IReadOnlyList<QuantizedNode> chosen)
    {
        Nodes = chosen;
        nodes = new(chosen.Select(n => KeyValuePair.Create(n.Node, n)), ReferenceEqualityComparer.Instance);
    }

    /// <summary>The nodes in graph order.</summary>
    public IReadOnlyList<QuantizedNode> Nodes { get; }

    /// <summary>The tensors in the order their consumers and producers stand in.</summary>
    public IReadOnlyList<QuantizedTensor> Tensors => tensors;

    /// <summary>Plans for a choice of nodes.</summary>
    public static StaticPlan Of(IReadOnlyList<QuantizedNode> chosen)
    {
        var plan = new StaticPlan(chosen);
        foreach (var node in chosen)
        {
            if (plan.IsAbsorbed(node.Node)) continue;
            foreach (int index in node.Activations) plan.Add(node.Node.Inputs[index]!);
            if (!node.QuantizesOutput) continue;
            foreach (var output in node.Outputs)
            {
                plan.Add(plan.Bounded(output));
                if (node.Role == StaticRole.Moves) plan.Join(node.Node.Inputs[0]!, output);
            }
        }

        return plan;
    }

    /// <summary>The tensor that stands for all that share its scale.</summary>
    public Value RootOf(Value tensor)
    {
        while (parents.TryGetValue(tensor, out var parent)) tensor = parent;
        return tensor;
    }

    /// <summary>True if the node is a Relu or Clip whose bounds become those of the codes before it.</summary>
    public bool IsAbsorbed(Node node) => nodes.TryGetValue(node, out var bounds) && bounds.Role == StaticRole.Bounds
        && node.Inputs[0] is { Uses.Count: 1, IsGraphOutput: false, Producer: { } producer } && nodes.TryGetValue(producer, out var before)
        && before is { QuantizesOutput: true, Role: StaticRole.Linear or StaticRole.Computes };

    /// <summary>The output of the absorbed operator behind a value, or the value itself.</summary>
    private Value Bounded(Value output) => output.Uses.Count == 1 && IsAbsorbed(output.Uses[0].Node) ? output.Uses[0].Node.Outputs[0]! : output;

    private void Add(Value tensor)
    {
        if (tensor.TryGetConstant(out _) || !seen.Add(tensor)) return;
        var absorbed = tensor.Producer is { } producer && IsAbsorbed(producer) ? producer : null;
        var source = absorbed?.Inputs[0] ?? tensor;
        bool everywhere = source.Producer is { } by && nodes.TryGetValue(by, out var node) && node.QuantizesOutput;
        tensors.Add(new(tensor, source, absorbed, everywhere, everywhere ? OutputSide(source, tensor) : InputSide(tensor)));
    }

    private ChannelSide InputSide(Value tensor) =>
        tensor.Uses.Where(IsInteger).All(u => u.Index == 0 && IsOwnConvolution(u.Node)) ? ChannelSide.Input : ChannelSide.None;

    private ChannelSide OutputSide(Value source, Value tensor) =>
        IsOwnConvolution(source.Producer!) && !tensor.Uses.Any(IsInteger) ? ChannelSide.Output : ChannelSide.None;

    private bool IsInteger(Use use) => nodes.TryGetValue(use.Node, out var node) && node.Activations.Contains(use.Index);

    /// <summary>A convolution whose weights nobody else reads: they can take up factors.</summary>
    private bool IsOwnConvolution(Node node) => node.OpType == "Conv" && nodes.TryGetValue(node, out var conv) && conv.WeightValue is { Uses.Count: 1 };

    private void Join(Value input, Value output)
    {
        (var a, var b) = (RootOf(input), RootOf(output));
        if (a != b) parents.Add(b, a);
    }
}
