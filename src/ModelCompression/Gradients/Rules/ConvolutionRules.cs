using ModelCompression.Analysis.Views;
using ModelCompression.Numerics.Products;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients.Rules;

/// <summary>Conv and ConvTranspose, which are each other's transpose.</summary>
/// <remarks>
/// y = W ∗ x + b: ∂x = Wᵀ ∗ ∂y (ConvTranspose with the same strides, dilations, padding and groups), ∂W = ∂y · cols(x)ᵀ with cols(x) the input elements that each
/// window position meets, ∂b = Σ ∂y over samples and positions. For ConvTranspose x and ∂y change places.
/// </remarks>
internal static class ConvolutionRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        rules["Conv"] = Convolution;
        rules["ConvTranspose"] = Transposed;
    }

    private static void Convolution(NodeGradient n)
    {
        if (!ConvView.TryFrom(n.Node, out var view)) throw n.Refuse("its attributes do not fit its weight");
        long[] x = n.Dims(n.X(0)), y = n.Dims(n.Y());
        var window = Window(view.Window, x[2..]);
        bool isGiven = n.GiveInput(0, 1, 1, view.Group == 1 ? 1 : null, () => InputGradient(n, view, window, x, y));
        if (!isGiven) n.GiveWeight(1, f => Factors(f, n, n.X(0), x, n.DY, y, window, view.Group), () => WeightGradient(n.Emit, n.X(0), x, n.DY, y, window, view.Group));
        if (n.Node.Input(2) is not null) n.GiveIfNeeded(2, () => BiasGradient(n, y));
    }

    private static Value InputGradient(NodeGradient n, ConvView view, WindowGeometry window, long[] x, long[] y)
    {
        // That pays when the filters are constants, which are then repacked once.
        bool isPlain = window.Strides.All(s => s == 1) && n.Emit.Opset >= 10 && n.X(1).TryGetConstant(out _);
        if (!isPlain && Phases(n, view, window, x, y) is { } phases) return n.Rows.FromTile(phases, (int)window.Strides[0], (int)window.Strides[1], x);
        if (!isPlain) return TransposedConvolution(n.Emit, n.DY, n.X(1), window, x[2..], y[2..], view.Group);
        // Without strides the transpose is a convolution with flipped filters, input and output channels exchanged, which runtimes compute faster.
        int rank = window.SpatialRank;
        long group = view.Group, m = view.OutputChannels / group, c = view.InputChannelsPerGroup;
        var filters = n.Emit.Reshape(n.X(1), [group, m, c, .. window.Kernel]);
        filters = n.Emit.Reshape(n.Emit.Transpose(filters, [0, 2, 1, .. Enumerable.Range(3, rank)]), [group * c, m, .. window.Kernel]);
        long[] axes = [.. Enumerable.Range(2, rank).Select(a => (long)a)];
        if (window.Kernel.Any(k => k > 1)) filters = n.Emit.Slice(filters, [.. axes.Select(_ => -1L)], [.. axes.Select(_ => long.MinValue)], axes, [.. axes.Select(_ => -1L)]);
        var begins = new long[rank];
        var ends = new long[rank];
        for (int i = 0; i < rank; i++)
        {
            begins[i] = window.Extent(i) - 1 - window.Pads[i];
            ends[i] = x[i + 2] - 1 + window.Pads[i] - (y[i + 2] - 1);
        }

        // Padding beyond the filter makes it negative here, which Pad allows and Conv does not.
        long[] pads = [.. begins, .. ends];
        var g = n.DY;
        if (pads.Any(p => p < 0))
        {
            g = n.Emit.Pad(g, [0, 0, .. begins], [0, 0, .. ends]);
            pads = new long[2 * rank];
        }

        return n.Emit.Op("Conv", [g, filters], [.. Attributes(window, pads), NodeAttribute.Of("group", group)]);
    }

    /// <summary>
    /// For a window that moves by s, the gradients of every s-th element along each axis: each is a plain convolution with every s-th filter element, and together they cost as much as the convolution itself.
    /// None where no window element meets an element. Null where such convolutions are not the faster way.
    /// </summary>
    private static List<Value?>? Phases(NodeGradient n, ConvView view, WindowGeometry window, long[] x, long[] y)
    {
        bool isDepthwise = IsDepthwise(view.Group, x, y);
        if ((view.Group != 1 && !isDepthwise) || window.SpatialRank != 2 || n.Emit.Opset < 10 || !ChannelBlocks.Fits(y[1]) || n.Rows.Find(n.X(0), x) is null) return null;
        var places = WindowElements.Offsets(window.Strides).Select(p => Enumerable.Range(0, 2).Select(i => PhaseOf(window, i, p[i], x[i + 2], y[i + 2])).ToArray()).ToList();
        if (places.Exists(p => p.All(a => a.Taps > 0) && p.Any(a => a.Begin < 0 || a.End < 0))) return null;
        if (window.Dilations.Any(d => d != 1) || Enumerable.Range(0, 2).Any(i => x[i + 2] % window.Strides[i] != 0)) return null;
        var filters = isDepthwise ? n.X(1) : n.Emit.Transpose(n.X(1), 1, 0, 2, 3);
        return places.ConvertAll(p =>
        {
            if (p.Any(a => a.Taps < 1)) return null;
            // From the last tap back to the first.
            var part = n.Emit.Slice(filters, [p[0].Last, p[1].Last], [long.MinValue, long.MinValue], [2, 3], [-window.Strides[0], -window.Strides[1]]);
            return n.Emit.Op("Conv", [n.DY, part], NodeAttribute.Of("kernel_shape", [p[0].Taps, p[1].Taps]), NodeAttribute.Of("pads", [p[0].Begin, p[1].Begin, p[0].End, p[1].End]), NodeAttribute.Of("group", (long)view.Group));
        });
    }

    /// <summary>Elements r, r + s, … of x meet window elements k, k + s, …: element j·s + r is in position j + q − t by tap t.</summary>
    private static (long Taps, long Last, long Begin, long End) PhaseOf(WindowGeometry window, int axis, long r, long size, long positions)
    {
        long s = window.Strides[axis], first = (r + window.Pads[axis]) % s, q = (r + window.Pads[axis]) / s;
        long taps = ((window.Kernel[axis] - 1 - first) / s) + 1;
        return (first < window.Kernel[axis] ? taps : 0, first + (s * (taps - 1)), taps - 1 - q, (size / s) - 1 + q - (positions - 1));
    }

    private static void Transposed(NodeGradient n)
    {
        if (!ConvTransposeView.TryFrom(n.Node, out var view)) throw n.Refuse("its attributes do not fit its weight");
        long[] x = n.Dims(n.X(0)), y = n.Dims(n.Y());
        var window = TransposedWindow(view, x[2..], y[2..]);
        // Padding may be negative (elements that only output padding made), which Pad allows and Conv does not.
        n.GiveIfNeeded(0, () => n.Emit.Op("Conv", [n.Emit.Pad(n.DY, [0, 0, .. window.Pads.Take(x.Length - 2)], [0, 0, .. window.Pads.Skip(x.Length - 2)]), n.X(1)],
            [.. Attributes(window, new long[window.Pads.Count]), NodeAttribute.Of("group", (long)view.Group)]));
        n.GiveWeight(1, f => Factors(f, n, n.DY, y, n.X(0), x, window, view.Group), () => WeightGradient(n.Emit, n.DY, y, n.X(0), x, window, view.Group));
        if (n.Node.Input(2) is not null) n.GiveIfNeeded(2, () => BiasGradient(n, y));
    }

    /// <summary>The window with its padding as numbers.</summary>
    internal static WindowGeometry Window(WindowGeometry window, long[] inputSizes)
    {
        var pads = new long[2 * window.SpatialRank];
        for (int i = 0; i < window.SpatialRank; i++) (pads[i], pads[i + window.SpatialRank]) = window.PadsFor(i, inputSizes[i]);
        return window with { AutoPad = AutoPad.NotSet, Pads = pads };
    }

    /// <summary>The window of the convolution from y to x, whose padding follows from the sizes (auto_pad and output_shape distribute what is missing).</summary>
    private static WindowGeometry TransposedWindow(ConvTransposeView view, long[] x, long[] y)
    {
        int rank = x.Length;
        var pads = new long[2 * rank];
        for (int i = 0; i < rank; i++)
        {
            long full = ((x[i] - 1) * view.Window.Strides[i]) + view.Window.Extent(i) + view.OutputPadding[i];
            bool isStated = view.OutputShape is null && view.Window.AutoPad == AutoPad.NotSet;
            long total = full - y[i];
            // ONNX: the odd element goes to the beginning, except for SAME_UPPER.
            long small = total / 2;
            pads[i] = isStated ? view.Window.Pads[i] : view.Window.AutoPad == AutoPad.SameUpper ? small : total - small;
            pads[i + rank] = ((x[i] - 1) * view.Window.Strides[i]) + view.Window.Extent(i) - pads[i] - y[i];
        }

        return view.Window with { AutoPad = AutoPad.NotSet, Pads = pads };
    }

    /// <summary>Wᵀ ∗ g: spreads window positions (sizes <paramref name="positions"/>) over elements (sizes <paramref name="elements"/>).</summary>
    internal static Value TransposedConvolution(GradientEmitter emit, Value g, Value weight, WindowGeometry window, long[] elements, long[] positions, int group)
    {
        int rank = elements.Length;
        var pads = window.Pads.ToArray();
        var outputPadding = new long[rank];
        for (int i = 0; i < rank; i++)
        {
            // Windows may leave elements at the end untouched (output padding) or, with rounding up, reach beyond the padding.
            long untouched = elements[i] + pads[i] - ((positions[i] - 1) * window.Strides[i]) - window.Extent(i);
            outputPadding[i] = Math.Max(0, untouched);
            pads[i + rank] = Math.Max(0, -untouched);
        }

        // Elements that no window reaches at all: ConvTranspose limits its output padding, zeros are added instead.
        bool isLong = Enumerable.Range(0, rank).Any(i => outputPadding[i] >= Math.Max(window.Strides[i], window.Dilations[i]));
        var attributes = Attributes(window, pads).Append(NodeAttribute.Of("group", (long)group));
        if (!isLong) return emit.Op("ConvTranspose", [g, weight], [.. attributes, NodeAttribute.Of("output_padding", outputPadding)]);
        return emit.Pad(emit.Op("ConvTranspose", [g, weight], [.. attributes]), new long[rank + 2], [0, 0, .. outputPadding]);
    }

    /// <summary>What ∂W is computed from where this is left to the caller: up to two spatial axes, no groups or one per channel.</summary>
    private static FactorValues? Factors(FactorOutputs outputs, NodeGradient n, Value x, long[] xDims, Value g, long[] gDims, WindowGeometry window, int group)
    {
        bool isDepthwise = IsDepthwise(group, xDims, gDims);
        if ((group != 1 && !isDepthwise) || window.SpatialRank > 2 || !outputs.SplitsConvolution(n.X(1))) return null;
        var sizes = Sizes(xDims, gDims, window, isDepthwise);
        var (left, right) = (n.Rows.FindElements(x, xDims), n.Rows.FindElements(g, gDims));
        return new(left ?? (x, xDims), right ?? (g, gDims), (a, b) => new ConvolutionFactors(a, b, sizes, left is not null, right is not null));
    }

    /// <summary>True for one filter per channel.</summary>
    internal static bool IsDepthwise(int group, long[] xDims, long[] yDims) => group > 1 && xDims[1] == group && yDims[1] == group;

    /// <summary>Sizes of a convolution along up to two axes.</summary>
    internal static ConvolutionSizes Sizes(long[] xDims, long[] gDims, WindowGeometry window, bool isDepthwise)
    {
        var axes = Enumerable.Range(0, window.SpatialRank).Select(i => new WindowSizes(
            (int)xDims[i + 2], (int)gDims[i + 2], (int)window.Kernel[i], (int)window.Strides[i], (int)window.Dilations[i], (int)window.Pads[i])).ToList();
        // One axis is a single row.
        while (axes.Count < 2) axes.Insert(0, new(1, 1, 1, 1, 1, 0));
        return new((int)xDims[0], (int)xDims[1], (int)gDims[1], axes[0], axes[1]) { IsDepthwise = isDepthwise };
    }

    /// <summary>∂W [M, C/G, k…] of y = W ∗ x from x [N, C, …] and the gradient g [N, M, …] of y.</summary>
    private static Value WeightGradient(GradientEmitter emit, Value x, long[] xDims, Value g, long[] gDims, WindowGeometry window, int group)
    {
        long n = xDims[0], c = xDims[1] / group, m = gDims[1] / group;
        long positions = gDims[2..].Aggregate(1L, (a, b) => a * b), kernel = window.Kernel.Aggregate(1L, (a, b) => a * b);
        var elements = WindowElements.FiltersPay(xDims, gDims[2..], window) ? WindowElements.ByFilters(emit, x, xDims[1], window) : WindowElements.All(emit, x, xDims, gDims[2..], window);
        var parts = elements.Select(part => emit.Reshape(part, n, group, c, positions)).ToList();
        Value product;
        if (group == 1 && positions * (m + (kernel * c)) < m * kernel * c)
        {
            // Few positions: one long product over samples and positions.
            var columns = emit.Concat(parts, 2);
            var rows = emit.Reshape(emit.Transpose(emit.Reshape(columns, n, kernel * c, positions), 0, 2, 1), n * positions, kernel * c);
            var left = emit.Reshape(emit.Transpose(emit.Reshape(g, n, m, positions), 1, 0, 2), m, n * positions);
            product = emit.Reshape(emit.MatMul(left, rows), 1, m, kernel * c);
        }
        else
        {
            product = PerSample(emit, parts, emit.Reshape(g, n, group, m, positions), kernel * c > m, c >= 16 && m >= 16);
        }

        var ordered = kernel == 1 || c == 1 ? product : emit.Transpose(emit.Reshape(product, group, m, kernel, c), 0, 1, 3, 2);
        return emit.Reshape(ordered, [m * group, c, .. window.Kernel]);
    }

    /// <summary>Σ over samples of g · columnsᵀ, [1, G, M, K·C]. The larger operand comes first: the other one is repacked by matrix kernels and should be small.</summary>
    private static Value PerSample(GradientEmitter emit, List<Value> parts, Value g, bool columnsFirst, bool isWide)
    {
        if (parts.Count > 1 && isWide)
        {
            // Wide enough for a product per window element, which saves joining them.
            var products = parts.Select(part => emit.ReduceSum(emit.MatMul(g, emit.TransposeLast(part, 4)), [0])).ToList();
            return emit.Concat(products, 3);
        }

        var columns = emit.Concat(parts, 2);
        if (!columnsFirst) return emit.ReduceSum(emit.MatMul(g, emit.TransposeLast(columns, 4)), [0]);
        return emit.TransposeLast(emit.ReduceSum(emit.MatMul(columns, emit.TransposeLast(g, 4)), [0]), 4);
    }

    private static Value BiasGradient(NodeGradient n, long[] y) =>
        n.Emit.Reshape(n.Emit.ReduceSum(n.DY, [.. Enumerable.Range(0, y.Length).Where(i => i != 1)]), y[1]);

    internal static NodeAttribute[] Attributes(WindowGeometry window, IReadOnlyList<long> pads) =>
    [
        NodeAttribute.Of("kernel_shape", [.. window.Kernel]),
        NodeAttribute.Of("strides", [.. window.Strides]),
        NodeAttribute.Of("dilations", [.. window.Dilations]),
        NodeAttribute.Of("pads", [.. pads]),
    ];
}
