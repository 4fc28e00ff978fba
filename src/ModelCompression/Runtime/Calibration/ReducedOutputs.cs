using System.Numerics.Tensors;
using ModelCompression.Onnx.Graph;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>
/// Nodes that reduce tensors to the largest and smallest element of every channel, where that is all a plan wants of them. The reduction happens where the tensor has just been computed,
/// in the layout the convolutions work in; looking at the tensor itself would make ONNX Runtime turn it into the model's layout and write it out. Operators that never fall are not looked behind:
/// what they make of an extreme is one.
/// </summary>
internal sealed class ReducedOutputs : IDisposable
{
    /// <summary>Tensors of more elements (1 MB) do not stay in a core's cache.</summary>
    private const int LargeElementCount = 1 << 18;

    private readonly ObservedCopy observed;
    private readonly PictureTensors tensors = new();
    private readonly Dictionary<(Value Tensor, bool Low), Value> pools = [];
    private readonly List<Node> added = [];

    private ReducedOutputs(ObservedCopy observed) => this.observed = observed;

    /// <summary>The reduced tensors, values of the copy, that stand for a tensor of the plan.</summary>
    public Dictionary<Value, ReducedTensor> Of { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>Tensors of the plan of which no further sample can change anything.</summary>
    public HashSet<Value> Settled { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>Samples that have to be seen whole before.</summary>
    public int WholeSamples { get; private set; }

    /// <summary>Time that is expected to be saved, less the opening of a session; see <see cref="ReductionGain"/>.</summary>
    public double Gain { get; private set; }

    /// <summary>Adds the nodes to the copy; disposing removes them.</summary>
    /// <param name="observed">The model that the plan is for, and its copy.</param>
    /// <param name="plan">What is wanted of which tensors.</param>
    /// <param name="samples">Samples that are left, for <see cref="Gain"/>.</param>
    public static ReducedOutputs Add(ObservedCopy observed, StatisticsPlan plan, int samples = 0)
    {
        var model = observed.Model;
        var outputs = new ReducedOutputs(observed) { Gain = -ReductionGain.ToOpen(model.Graph.Nodes.Count) };
        foreach (var tensor in plan.Single.GroupBy(s => s.Tensor, s => s.Statistic, (IEqualityComparer<Value>)ReferenceEqualityComparer.Instance))
        {
            int whole = tensor.Max(s => s.WholeSamples);
            if (whole == int.MaxValue || !WantedTensors.IsComputed(tensor.Key, model)) continue;
            var open = tensor.Aggregate(Extremes.None, (o, s) => o | s.Open);
            if (outputs.tensors.IsPositive(tensor.Key)) open &= ~Extremes.Low;
            if (!outputs.TryAdd(tensor.Key, open, tensor.Max(s => s.ElementCount), samples)) continue;
            outputs.WholeSamples = Math.Max(outputs.WholeSamples, whole);
        }

        if (plan.Single.Any(s => outputs.Of.ContainsKey(s.Tensor) && s.Statistic.ElementCount > LargeElementCount)) outputs.PutInOrder();
        return outputs;
    }

    private bool TryAdd(Value tensor, Extremes open, double elements, int samples)
    {
        if (open == Extremes.None)
        {
            Settled.Add(tensor);
            Gain += ReductionGain.OfSettled(elements, samples);
            return true;
        }

        int before = added.Count;
        if (Reduced(tensor, open) is not { } reduced) return false;
        int mirrors = added.Skip(before).Count(n => n.OpType == "HardSigmoid");
        Gain += ReductionGain.OfReduced(elements, samples, added.Count - before - mirrors, mirrors);
        Of.Add(tensor, reduced);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => observed.Graph.RemoveNodes(Enumerable.Reverse(added));

    /// <summary>
    /// Makes ONNX Runtime reduce each tensor before it goes on to the next. Of the nodes that nobody reads it runs the last one first, with all that leads there; without this, that is the whole
    /// model, while all tensors to reduce stay in memory.
    /// </summary>
    private void PutInOrder()
    {
        var last = Of.Values.SelectMany(r => r.Outputs).Distinct().Reverse().ToArray().ToDictionary(o => o, o => Append("Flatten", [o]));
        foreach (var (tensor, reduced) in Of.ToArray()) Of[tensor] = reduced with { Highs = reduced.Highs is { } high ? last[high] : null, Lows = reduced.Lows is { } low ? last[low] : null };
    }

    /// <summary>The reduced form of a tensor, or null when its channels are not known or looking at it whole takes no longer.</summary>
    private ReducedTensor? Reduced(Value tensor, Extremes open)
    {
        if (tensor.Producer is not { IsOnnxDomain: true } node || node.Graph != observed.Model.Graph) return null;
        if (PictureTensors.AddsZeros(node)) return Reduced(node.Inputs[0]!, open)?.Then(x => TensorPrimitives.Max(x, 0, x), x => TensorPrimitives.Min(x, 0, x));
        if (AttainableRange.Shifted(node) is { } shifted)
        {
            // Such a sum is in the model's layout anyway.
            if (open.HasFlag(Extremes.Low) && !tensors.IsPositive(shifted.Tensor)) return null;
            return Reduced(shifted.Tensor, open)?.Then(x => TensorPrimitives.Add(x, shifted.By, x), x => TensorPrimitives.Add(x, shifted.By, x));
        }

        if (node.Is("Concat") && node.GetInt("axis", 0) == 1 && tensors.IsPositive(tensor)) return Joined(node, open);
        if (!tensors.IsPicture(tensor) && !IsBoundedDeconvolution(node)) return null;
        bool isPositive = tensors.IsPositive(tensor);
        var lows = open.HasFlag(Extremes.Low) && !isPositive ? Pool(tensor, low: true) : null;
        if (!open.HasFlag(Extremes.High)) return lows is null ? null : new(null, lows);
        if (SelfGate.Of(node) is { Hard: var (alpha, beta), Input: var input } && tensors.IsPicture(input))
            // Largest where x is, if any x is above 0; otherwise none of the product is, and whichever is given is as good.
            return new(Pool(input, low: false), lows) { High = x => Multiply(x, alpha, beta) };
        return new(Pool(tensor, low: false), lows) { StartsAtZero = isPositive };
    }

    private ReducedTensor? Joined(Node node, Extremes open)
    {
        var parts = node.Inputs.Select(i => i is null ? null : Reduced(i, open)).ToArray();
        return parts.All(p => p is { High: null, Highs: not null, Lows: null }) ? new(Append("Concat", parts.Select(p => p!.Highs!), NodeAttribute.Of("axis", 1L)), null) { StartsAtZero = true } : null;
    }

    /// <summary>What is largest behind a transposed convolution is cheap to find, but nothing is gained by looking for the smallest as well.</summary>
    private static bool IsBoundedDeconvolution(Node node) => ValueBounds.Of(node) is { Min: >= 0 } && node.Input(0)?.Producer is { OpType: "Conv" or "ConvTranspose", IsOnnxDomain: true };

    private static void Multiply(Span<float> elements, float alpha, float beta)
    {
        foreach (ref float x in elements) x *= Math.Clamp((x * alpha) + beta, 0f, 1f);
    }

    private Value Pool(Value tensor, bool low)
    {
        if (pools.TryGetValue((tensor, low), out var known)) return known;
        var source = low ? Append("HardSigmoid", [tensor], NodeAttribute.Of("alpha", ReducedTensor.Mirror), NodeAttribute.Of("beta", 0f)) : tensor;
        return pools[(tensor, low)] = Append("GlobalMaxPool", [source]);
    }

    private Value Append(string opType, IEnumerable<Value> inputs, params NodeAttribute[] attributes)
    {
        var read = inputs.Select(i => observed[i]).ToArray();
        added.Add(observed.Graph.AddNode(opType, read, [observed.Graph.NewName(read[0].Name + "_peaks")], attributes));
        return added[^1].Outputs[0]!;
    }
}
