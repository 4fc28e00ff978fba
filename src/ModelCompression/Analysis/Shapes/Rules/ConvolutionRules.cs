using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Convolutions and their quantized and fused forms.</summary>
internal static class ConvolutionRules
{
    public static void Register(RuleTable table)
    {
        table.Add("Conv", n => Convolve(n, n.ElementOf(0), 0, 1));
        table.Add("ConvInteger", n => Convolve(n, DataType.Int32, 0, 1));
        table.Add("QLinearConv", n => Convolve(n, n.ElementOf(7), 0, 3));
        table.Add("DeformConv", n => Convolve(n, n.ElementOf(0), 0, 1));
        table.Add("ConvTranspose", ConvolveTransposed);
        table.Add(["FusedConv", "NhwcFusedConv"], n => Convolve(n, n.ElementOf(0), 0, 1), domain: RuleTable.Microsoft);
        table.Add("QLinearConv", n => Convolve(n, n.ElementOf(7), 0, 3), domain: RuleTable.Microsoft);
        table.Add("ConvTransposeWithDynamicPads", n => n.Set(0, n.ElementOf(0), default(Shape)), domain: RuleTable.Microsoft);
        table.Add("Col2Im", ColumnsToImage);
    }

    private static void Convolve(NodeInference n, DataType element, int input, int weight)
    {
        n.Set(0, element, default(Shape));
        bool channelsLast = n.Attributes.Int("channels_last", 0) != 0 || n.Node.OpType == "NhwcFusedConv";
        var x = n.RequireShape(input, 3);
        var w = n.RequireShape(weight, 3);
        if (w.Rank != x.Rank) throw n.Refuse($"input of rank {x.Rank} and weight of rank {w.Rank} do not fit");
        int spatialRank = x.Rank - 2;
        int first = channelsLast ? 1 : 2;
        var spatial = Enumerable.Range(0, spatialRank).Select(i => x[first + i]);
        var window = Window(n, w);
        var sizes = spatial.Select((size, i) => window?.OutputSize(n.Symbols, i, size) ?? default);
        n.Set(0, element, channelsLast ? [x[0], .. sizes, w[0]] : [x[0], w[0], .. sizes]);
    }

    /// <summary>The window when the kernel is known, otherwise null.</summary>
    private static WindowGeometry? Window(NodeInference n, Shape weight)
    {
        IReadOnlyList<long>? kernel = n.Attributes.Ints("kernel_shape");
        kernel ??= weight.Dimensions.Skip(2).All(d => d.IsKnown) ? [.. weight.Dimensions.Skip(2).Select(d => d.Size!.Value)] : null;
        if (kernel is null) return null;
        if (kernel.Count != weight.Rank - 2) throw n.Refuse("kernel_shape does not fit the rank of the weight");
        return WindowGeometry.Read(n.Attributes, kernel) ?? throw n.Refuse("the window attributes are invalid");
    }

    private static void ConvolveTransposed(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 3);
        var w = n.RequireShape(1, 3);
        if (w.Rank != x.Rank) throw n.Refuse($"input of rank {x.Rank} and weight of rank {w.Rank} do not fit");
        int rank = x.Rank - 2;
        var channels = n.Symbols.Multiply(w[1], n.Attributes.Int("group", 1));
        var window = Window(n, w);
        var stated = n.Attributes.Ints("output_shape") is { Count: > 0 } list ? list.Skip(Math.Max(0, list.Count - rank)).ToArray() : null;
        var padding = n.Attributes.Ints("output_padding") ?? new long[rank];
        if (padding.Count != rank || (stated is not null && stated.Length != rank)) throw n.Refuse("output_padding or output_shape does not fit the rank");
        n.Set(0, n.ElementOf(0), [x[0], channels, .. Enumerable.Range(0, rank).Select(Size)]);

        Dimension Size(int i)
        {
            if (stated is not null) return stated[i];
            if (window is null) return default;
            if (window.AutoPad is AutoPad.SameUpper or AutoPad.SameLower) return n.Symbols.Multiply(x[i + 2], window.Strides[i]);
            var grown = n.Symbols.Multiply(n.Symbols.Subtract(x[i + 2], 1), window.Strides[i]);
            return n.Symbols.Add(grown, padding[i] + window.Extent(i) - window.Pads[i] - window.Pads[i + rank]);
        }
    }

    private static void ColumnsToImage(NodeInference n)
    {
        n.Set(0, n.ElementOf(0), default(Shape));
        var x = n.RequireShape(0, 3);
        var image = n.RequireContent(1).Sizes.ToList();
        var block = n.Symbols.Product(n.RequireContent(2).Sizes);
        n.Set(0, n.ElementOf(0), [x[0], n.Symbols.DivideExactly(x[1], block), .. image]);
    }
}
