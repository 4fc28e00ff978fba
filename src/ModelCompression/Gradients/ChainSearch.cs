using ModelCompression.Analysis.Views;
using ModelCompression.Gradients.Rules;
using ModelCompression.Numerics.Products;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients;

/// <summary>Finds a <see cref="ConvolutionChain"/>.</summary>
/// <param name="weights">The wanted weights.</param>
/// <param name="dimsOf">Sizes of values.</param>
/// <param name="blocks">Values in blocks of channels.</param>
/// <param name="factors">Tells which weights' gradients may be left to the caller.</param>
/// <param name="opset">Version of the standard operators.</param>
internal sealed class ChainSearch(IReadOnlyList<Value> weights, Func<Value, long[]> dimsOf, ChannelBlocks blocks, FactorOutputs factors, long opset)
{
    /// <summary>The longest chain, from its first convolution with a wanted weight on; null where there is none of at least two convolutions.</summary>
    public FoundChain? Find(IEnumerable<Node> nodes)
    {
        FoundChain? longest = null;
        foreach (var node in nodes)
        {
            if (!node.Is("Conv") || node.Input(0) is not { IsGraphInput: true }) continue;
            var links = Links(node).SkipWhile(l => !weights.Contains(l.Weight)).ToList();
            if (links.Count > 1 && links.Count > (longest?.Links.Count ?? 0)) longest = new(links, Next(links[^1].Result)?.Is("GlobalAveragePool") == true);
        }

        return longest;
    }

    private IEnumerable<FoundLink> Links(Node first)
    {
        for (var node = first; node is not null;)
        {
            if (TryLink(node, isFirst: node == first) is not { } link) yield break;
            yield return link;
            node = Next(link.Result) is { } next && next.Is("Conv") && next.Input(0) == link.Result ? next : null;
        }
    }

    private FoundLink? TryLink(Node node, bool isFirst)
    {
        if (!ConvView.TryFrom(node, out var view) || view.Window.SpatialRank != 2 || node.Input(0) is not { } x || node.Input(1) is not { } weight || node.Output(0) is not { } y) return null;
        if (!weight.TryGetConstant(out var tensor) || tensor.DataType != DataType.Float || (node.Input(2) is { } bias && weights.Contains(bias))) return null;
        if (weights.Contains(weight) && !factors.SplitsConvolution(weight)) return null;
        long[] xDims = dimsOf(x), yDims = dimsOf(y);
        bool isDepthwise = ConvolutionRules.IsDepthwise(view.Group, xDims, yDims);
        if (view.Group != 1 && !isDepthwise) return null;
        var sizes = ConvolutionRules.Sizes(xDims, yDims, ConvolutionRules.Window(view.Window, xDims[2..]), isDepthwise);
        if (!isFirst && !(InputGradient.Serves(sizes) && blocks.Has(x, xDims))) return null;
        var (result, limits) = Activated(y);
        return blocks.Has(result, yDims) ? new(x, weight, tensor, sizes, result, limits) : null;
    }

    /// <summary>The result of the activation function that follows a convolution, or the convolution's.</summary>
    private (Value Result, ActivationLimits Limits) Activated(Value y)
    {
        if (Next(y) is not { } next || next.Input(0) != y || next.Output(0) is not { } result) return (y, ActivationLimits.None);
        if (next.Is("Relu")) return (result, new(0, float.NaN));
        if (!next.Is("Clip") || opset < 11 || Limit(next.Input(1)) is not { } low || Limit(next.Input(2)) is not { } high) return (y, ActivationLimits.None);
        return (result, new(low, high));
    }

    /// <summary>A limit; NaN where there is none, null where it is not known.</summary>
    private static float? Limit(Value? limit) => limit is null ? float.NaN : limit.TryGetConstant(out var tensor) && tensor is { DataType: DataType.Float, ElementCount: 1 } ? tensor.AsSpan<float>()[0] : null;

    /// <summary>The only node that reads a value, or null.</summary>
    private static Node? Next(Value value) => value is { IsGraphOutput: false, Uses.Count: 1 } && value.Uses[0].Node is { } node && node.Graph == value.Graph ? node : null;
}

/// <summary>A convolution of a chain in the graph.</summary>
internal sealed record FoundLink(Value Input, Value Weight, Tensor Tensor, ConvolutionSizes Sizes, Value Result, ActivationLimits Limits);

/// <summary>A chain in the graph.</summary>
/// <param name="Links">The convolutions.</param>
/// <param name="IsPooled">True if nothing but the mean over pixels is read of the result.</param>
internal sealed record FoundChain(IReadOnlyList<FoundLink> Links, bool IsPooled)
{
    /// <summary>Where the chain ends.</summary>
    public Value Result => Links[^1].Result;

    /// <summary>True for a weight whose gradient is computed along the chain.</summary>
    public bool Has(Value weight) => Links.Any(l => l.Weight == weight);

    /// <summary>The chain with its values as outputs of the graph.</summary>
    /// <param name="weights">The wanted weights.</param>
    /// <param name="pass">The backward pass, which ended at the result.</param>
    /// <param name="gradient">The gradient of the result.</param>
    /// <param name="share">Makes a value of given sizes an output and gives its name.</param>
    public ConvolutionChain Named(Value[] weights, BackwardPass pass, Value gradient, Func<(Value Value, long[] Dims), string> share)
    {
        var links = Links.Select(l =>
        {
            var (name, areRows) = l.Input.IsGraphInput ? (l.Input.Name, false) : Elements(l.Input);
            int wanted = Array.IndexOf(weights, l.Weight);
            return new ChainLink(name, areRows, l.Sizes, l.Limits, l.Tensor, wanted < 0 ? null : wanted) { IsModelInput = l.Input.IsGraphInput };
        }).ToList();
        long[] dims = pass.DimsOf(Result);
        string result = Elements(Result).Name;
        if (IsPooled && ActivationRules.Repeated(gradient) is { } pooled) return new(links, result, share((pooled, [dims[0], dims[1], 1, 1])), PixelForm.Repeated);
        return pass.Rows.FindElements(gradient, dims) is { } rows ? new(links, result, share(rows), PixelForm.Rows) : new(links, result, share((gradient, dims)), PixelForm.Planes);

        (string Name, bool AreRows) Elements(Value value) => pass.Rows.FindElements(value, pass.DimsOf(value)) is { } rows ? (share(rows), true) : (share((value, pass.DimsOf(value))), false);
    }
}
