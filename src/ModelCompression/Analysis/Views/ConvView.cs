using System.Diagnostics.CodeAnalysis;
using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Views;

/// <summary>A convolution (<c>Conv</c>, or ONNX Runtime's <c>FusedConv</c>) with all defaults applied.</summary>
/// <remarks>y = activation(W ∗ x + b): x [N, C, spatial…], W [M, C/group, kernel…], b [M].</remarks>
/// <param name="Node">The node.</param>
/// <param name="Input">x.</param>
/// <param name="Weight">W; its shape is known.</param>
/// <param name="Bias">b, or null.</param>
/// <param name="Window">Kernel, strides, dilations, padding.</param>
/// <param name="Group">Number of groups.</param>
/// <param name="OutputChannels">M.</param>
/// <param name="InputChannelsPerGroup">C/group.</param>
public sealed record ConvView(Node Node, Value Input, Value Weight, Value? Bias, WindowGeometry Window, int Group, int OutputChannels, int InputChannelsPerGroup)
{
    /// <summary>C.</summary>
    public int InputChannels => InputChannelsPerGroup * Group;

    /// <summary>True if every input channel has its own filters.</summary>
    public bool IsDepthwise => InputChannelsPerGroup == 1 && Group > 1;

    /// <summary>Activation fused into the node (<c>FusedConv</c>), or empty.</summary>
    public string Activation { get; init; } = "";

    /// <summary>Value added before the activation (<c>FusedConv</c> input 3), or null.</summary>
    public Value? Summand { get; init; }

    /// <summary>Sees <paramref name="node"/> as a convolution whose weight has a known shape.</summary>
    public static bool TryFrom(Node node, [NotNullWhen(true)] out ConvView? view)
    {
        view = null;
        bool isFused = node is { OpType: "FusedConv", Domain: "com.microsoft" };
        if (!(node.Is("Conv") || isFused) || node.Input(0) is not { } input || node.Input(1) is not { } weight) return false;
        var attributes = new NodeAttributes(node);
        if (attributes.HasUnboundReference || StaticShape.Of(weight) is not { Length: >= 3 } dims) return false;
        long group = attributes.Int("group", 1);
        long[] kernel = [.. attributes.Ints("kernel_shape") ?? dims[2..]];
        if (kernel.Length != dims.Length - 2 || !kernel.AsSpan().SequenceEqual(dims.AsSpan(2))) return false;
        if (group is < 1 or > int.MaxValue || dims[0] > int.MaxValue || dims[1] > int.MaxValue || dims[0] % group != 0 || WindowGeometry.Read(attributes, kernel) is not { } window) return false;
        view = new(node, input, weight, node.Input(2), window, checked((int)group), checked((int)dims[0]), checked((int)dims[1]))
        {
            Activation = isFused ? attributes.Text("activation", "") : "",
            Summand = isFused ? node.Input(3) : null,
        };
        return true;
    }
}
