using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Recognises linear operators that can compute with integers, or says why one cannot.</summary>
/// <param name="catalog">The model's weights.</param>
/// <param name="already">What is quantized already.</param>
internal sealed class LinearNodes(WeightCatalog catalog, AlreadyQuantized already)
{
    private readonly Dictionary<(Node, int), WeightSite> sites = catalog.Weights.SelectMany(s => s.Uses.Select(u => (Key: (u.Node, u.InputIndex), Site: s))).DistinctBy(p => p.Key).ToDictionary(p => p.Key, p => p.Site);

    private readonly Dictionary<Value, bool> finite = new(ReferenceEqualityComparer.Instance);

    /// <summary>Sees the node as a linear operator with constant weights at input 1 and a constant bias or none.</summary>
    public QuantizedNode? TryMake(Node node, out string reason)
    {
        reason = "";
        if (!sites.TryGetValue((node, 1), out var site)) return Refuse(sites.ContainsKey((node, 0)) ? "its weights are the left operand" : "its weights are not constant", out reason);
        if (already.ReasonFor(site.Value) is { } done) return Refuse(done, out reason);
        if (site.Tensor.DataType != DataType.Float) return Refuse($"its weights are {site.Tensor.DataType}", out reason);
        if (site.Tensor.ElementCount == 0) return Refuse("its weights are empty", out reason);
        var use = site.Uses.First(u => u.Node == node && u.InputIndex == 1);
        if (site.Uses.Any(u => !u.ChannelAxes.SequenceEqual(use.ChannelAxes) || u.Node.OpType != node.OpType)) return Refuse("its weights are shared with another kind of operator", out reason);
        if (node.OpType == "MatMul" && site.Tensor.Rank != 2) return Refuse($"its weights have {site.Tensor.Rank} axes", out reason);
        if (node.OpType == "ConvTranspose" && node.GetInt("group", 1) != 1) return Refuse("a grouped ConvTranspose has no single channel axis", out reason);
        if (!IsFinite(site.Value, site.Tensor)) return Refuse("its weights have NaN or infinite elements", out reason);
        var linear = new QuantizedNode(node, StaticRole.Linear, [0], true) { Weight = use, WeightValue = site.Value };
        return node.OpType == "MatMul" ? linear : WithBias(linear, site, out reason);
    }

    private QuantizedNode? WithBias(QuantizedNode linear, WeightSite site, out string reason)
    {
        reason = "";
        if (linear.Node.Input(2) is not { } bias) return linear;
        if (linear.Node.OpType == "Gemm" && (linear.Node.GetFloat("alpha", 1) != 1 || linear.Node.GetFloat("beta", 1) != 1)) return Refuse("its alpha or beta is not 1", out reason);
        if (!bias.TryGetConstant(out var tensor) || tensor.DataType != DataType.Float) return Refuse("its bias is not a constant", out reason);
        if (!IsFinite(bias, tensor)) return Refuse("its bias has NaN or infinite elements", out reason);
        long channels = site.Tensor.Dims[linear.Weight!.ChannelAxes[0]];
        return tensor.ElementCount == channels && tensor.Dims[^1] == channels
            ? linear with { Bias = bias, BiasIndex = 2 }
            : Refuse($"its bias has {tensor.ElementCount} elements, not {channels}", out reason);
    }

    /// <summary>True if integers can stand for all elements. Operators are chosen many times, elements read once.</summary>
    private bool IsFinite(Value value, Tensor tensor)
    {
        if (!finite.TryGetValue(value, out bool known)) finite.Add(value, known = SpanRange.Of(tensor.AsSpan<float>()).AllFinite);
        return known;
    }

    private static QuantizedNode? Refuse(string why, out string reason)
    {
        reason = why;
        return null;
    }
}
