using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.BiasCorrection;

/// <summary>The piecewise linear operators behind a value: Relu, Clip, LeakyRelu, Max and Min with a number, as long as nobody else reads what is between them.</summary>
/// <param name="End">What the last of them returns; the value itself if there are none.</param>
/// <param name="Segments">Slopes of the whole chain by ranges of <paramref name="End"/>; rising, so that ranges are in order.</param>
internal sealed record ActivationChain(Value End, IReadOnlyList<SlopeSegment> Segments)
{
    /// <summary>Follows the operators behind a value.</summary>
    public static ActivationChain Behind(Value value)
    {
        var chain = new ActivationChain(value, [new(double.NegativeInfinity, double.PositiveInfinity, 1)]);
        while (chain.End is { IsGraphOutput: false, IsReferencedByName: false, Uses: [{ Node: { IsOnnxDomain: true } node }] } && node.Graph == value.Graph && chain.Apply(node) is { } segments)
            chain = new(node.Output()!, segments);
        return chain;
    }

    private List<SlopeSegment>? Apply(Node node)
    {
        if (node.OpType == "LeakyRelu") return node.GetFloat("alpha", 0.01f) is > 0 and var alpha ? [.. Segments.SelectMany(s => Leaky(s, alpha)).Where(s => s.Low < s.High)] : null;
        if (BoundsOf(node) is not { } bounds) return null;
        return [.. Segments.Select(s => s with { Low = Math.Max(s.Low, bounds.Min), High = Math.Min(s.High, bounds.Max) }).Where(s => s.Low < s.High)];
    }

    private static SlopeSegment[] Leaky(SlopeSegment segment, double alpha) =>
        [new(segment.Low * alpha, Math.Min(segment.High, 0) * alpha, segment.Slope * alpha), segment with { Low = Math.Max(segment.Low, 0) }];

    private ValueBounds? BoundsOf(Node node)
    {
        if (node.OpType is not ("Max" or "Min")) return ValueBounds.Of(node);
        if (node.Inputs is not [{ } left, { } right] || !(left == End ? right : left).TryGetConstant(out var constant) || constant is not { DataType: DataType.Float, ElementCount: 1 }) return null;
        float number = constant.AsSpan<float>()[0];
        return node.OpType == "Max" ? new(number, double.PositiveInfinity) : new(double.NegativeInfinity, number);
    }
}
