using System.Diagnostics.CodeAnalysis;
using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Views;

/// <summary>A <c>ConvTranspose</c> with all defaults applied.</summary>
/// <remarks>x [N, C, spatial…], W [C, M/group, kernel…], b [M].</remarks>
/// <param name="Node">The node.</param>
/// <param name="Input">x.</param>
/// <param name="Weight">W; its shape is known.</param>
/// <param name="Bias">b, or null.</param>
/// <param name="Window">Kernel, strides, dilations, padding (of the forward convolution it is the gradient of).</param>
/// <param name="Group">Number of groups.</param>
/// <param name="InputChannels">C.</param>
/// <param name="OutputChannelsPerGroup">M/group.</param>
/// <param name="OutputPadding">Elements added at the end of each spatial axis.</param>
/// <param name="OutputShape">Stated spatial output sizes, which override the padding, or null.</param>
public sealed record ConvTransposeView(
    Node Node, Value Input, Value Weight, Value? Bias, WindowGeometry Window, int Group, int InputChannels, int OutputChannelsPerGroup,
    IReadOnlyList<long> OutputPadding, IReadOnlyList<long>? OutputShape)
{
    /// <summary>M.</summary>
    public int OutputChannels => OutputChannelsPerGroup * Group;

    /// <summary>Sees <paramref name="node"/> as a transposed convolution whose weight has a known shape.</summary>
    public static bool TryFrom(Node node, [NotNullWhen(true)] out ConvTransposeView? view)
    {
        view = null;
        if (!node.Is("ConvTranspose") || node.Input(0) is not { } input || node.Input(1) is not { } weight) return false;
        var attributes = new NodeAttributes(node);
        if (attributes.HasUnboundReference || StaticShape.Of(weight) is not { Length: >= 3 } dims) return false;
        long group = attributes.Int("group", 1);
        int rank = dims.Length - 2;
        long[] kernel = [.. attributes.Ints("kernel_shape") ?? dims[2..]];
        if (!kernel.AsSpan().SequenceEqual(dims.AsSpan(2)) || group is < 1 or > int.MaxValue || dims[0] > int.MaxValue || dims[1] > int.MaxValue || dims[0] % group != 0) return false;
        if (WindowGeometry.Read(attributes, kernel) is not { } window) return false;
        var padding = attributes.Ints("output_padding") ?? new long[rank];
        // A stated shape may include N and C, in some old files.
        var shape = attributes.Ints("output_shape") is { Count: > 0 } stated ? stated.Skip(Math.Max(0, stated.Count - rank)).ToArray() : null;
        if (padding.Count != rank || (shape is not null && shape.Length != rank)) return false;
        view = new(node, input, weight, node.Input(2), window, checked((int)group), checked((int)dims[0]), checked((int)dims[1]), padding, shape);
        return true;
    }
}
