using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>
/// Nodes that reduce tensors without elements below 0 to the largest element of every channel, where that is all a plan wants of them. The reduction happens where the tensor has just been computed,
/// in the layout the convolutions work in; looking at the tensor itself would make ONNX Runtime turn it into the model's layout and write it out.
/// </summary>
internal sealed class PeakOutputs : IDisposable
{
    private readonly OnnxGraph graph;
    private readonly Dictionary<Value, Value?> peaks = new(ReferenceEqualityComparer.Instance);
    private readonly List<Node> added = [];

    private PeakOutputs(OnnxGraph graph) => this.graph = graph;

    /// <summary>The reduced tensor that stands for a tensor of the plan.</summary>
    public Dictionary<Value, Value> Of { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>Samples that have to be seen whole before.</summary>
    public int WholeSamples { get; private set; }

    /// <summary>Adds the nodes to a model; disposing removes them.</summary>
    public static PeakOutputs Add(Model model, StatisticsPlan plan)
    {
        var outputs = new PeakOutputs(model.Graph);
        foreach (var tensor in plan.Single.GroupBy(s => s.Tensor, s => s.Statistic, (IEqualityComparer<Value>)ReferenceEqualityComparer.Instance))
        {
            int whole = tensor.Max(s => s.WholeSamples);
            if (whole == int.MaxValue || !WantedTensors.IsComputed(tensor.Key, model) || outputs.PeaksOf(tensor.Key) is not { } reduced) continue;
            outputs.Of.Add(tensor.Key, reduced);
            outputs.WholeSamples = Math.Max(outputs.WholeSamples, whole);
        }

        return outputs;
    }

    /// <inheritdoc/>
    public void Dispose() => graph.RemoveNodes(Enumerable.Reverse(added));

    /// <summary>The reduced form of a tensor, or null when it may have negative elements or its channels are not known.</summary>
    private Value? PeaksOf(Value tensor)
    {
        if (peaks.TryGetValue(tensor, out var known)) return known;
        return peaks[tensor] = tensor.Producer is { IsOnnxDomain: true } node && node.Graph == graph ? PeaksOf(tensor, node) : null;
    }

    private Value? PeaksOf(Value tensor, Node node)
    {
        switch (node.OpType)
        {
            case "Relu" or "Clip" when ValueBounds.Of(node) is { Min: >= 0 } && node.Input(0)?.Producer is { OpType: "Conv" or "ConvTranspose", IsOnnxDomain: true }:
                return Reduce("GlobalMaxPool", [tensor], tensor.Name);
            case "Pad" when AddsZeros(node):
                return PeaksOf(node.Inputs[0]!);
            case "Concat" when node.GetInt("axis", 0) == 1:
                var parts = node.Inputs.Select(i => i is null ? null : PeaksOf(i)).ToArray();
                return parts.Contains(null) ? null : Reduce("Concat", parts, tensor.Name, NodeAttribute.Of("axis", 1L));
            default:
                return null;
        }
    }

    /// <summary>True for zeros at the sides of pictures, which change no channel's largest element if there are none below 0.</summary>
    private static bool AddsZeros(Node node)
    {
        if (node.GetString("mode", "constant") != "constant" || node.GetFloat("value", 0) != 0 || node.Input(3) is not null) return false;
        if (node.Input(2) is { } value && !(value.TryGetConstant(out var number) && number is { DataType: DataType.Float, ElementCount: 1 } && number.AsSpan<float>()[0] == 0)) return false;
        var pads = node.Input(1) is { } input ? input.TryGetConstant(out var tensor) && tensor.DataType == DataType.Int64 ? tensor.AsSpan<long>().ToArray() : null : node.GetInts("pads");
        return pads is not null && pads.All(p => p >= 0) && pads.Count % 2 == 0 && pads.Where((_, i) => i % (pads.Count / 2) < 2).All(p => p == 0);
    }

    private Value Reduce(string opType, IEnumerable<Value?> inputs, string name, params NodeAttribute[] attributes)
    {
        added.Add(graph.AddNode(opType, inputs, [graph.NewName(name + "_peaks")], attributes));
        return added[^1].Outputs[0]!;
    }
}
