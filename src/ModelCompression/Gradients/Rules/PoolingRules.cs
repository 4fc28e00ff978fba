using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients.Rules;

/// <summary>Pooling.</summary>
/// <remarks>Average: ∂y, divided by the elements of its window, goes to each of them. Max: ∂y goes to the element that was taken, the first of several equal ones.</remarks>
internal static class PoolingRules
{
    /// <summary>Windows in a row up to which multiplying by zeros costs less than copying.</summary>
    private const long MaxRowLength = 16;

    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        rules["AveragePool"] = Average;
        rules["MaxPool"] = Max;
        rules["GlobalAveragePool"] = GlobalAverage;
        rules["GlobalMaxPool"] = GlobalMax;
    }

    private static void GlobalAverage(NodeGradient n)
    {
        long[] x = n.Dims(n.X());
        n.Give(0, n.Emit.Expand(n.Emit.Mul(n.DY, 1f / x[2..].Aggregate(1L, (a, b) => a * b)), x));
    }

    private static void GlobalMax(NodeGradient n)
    {
        int[] axes = [.. Enumerable.Range(2, n.Dims(n.X()).Length - 2)];
        n.Give(0, ReductionRules.ExtremumShare(n.Emit, n.X(), n.Y(), n.DY, axes));
    }

    private static void Average(NodeGradient n)
    {
        var (view, x, y) = Read(n);
        var window = ConvolutionRules.Window(view.Window!, x[2..]);
        var g = n.Emit.Mul(n.DY, n.Emit.Constant(InverseCounts(window, x[2..], y[2..], view.CountIncludePad)));
        n.Give(0, Tiles(window, x, y) && n.Rows.Find(n.X(), x) is not null ? SpreadRows(n, g, x, y, window) : Spread(n.Emit, g, x, y, window));
    }

    /// <summary>True for windows side by side that cover a plane.</summary>
    private static bool Tiles(WindowGeometry window, long[] x, long[] y) => window.SpatialRank == 2
        && Enumerable.Range(0, 2).All(i => window.Kernel[i] == window.Strides[i] && window.Pads[i] == 0 && y[i + 2] * window.Kernel[i] == x[i + 2] && window.Dilations[i] == 1);

    /// <summary>As <see cref="Spread"/> for such windows, by copying all channels of a window at once.</summary>
    private static Value SpreadRows(NodeGradient n, Value g, long[] x, long[] y, WindowGeometry window)
    {
        // As matrices: ONNX Runtime would transpose all six axes.
        var pixels = n.Emit.Transpose(n.Emit.Reshape(g, y[0], y[1], y[2] * y[3]), 0, 2, 1);
        var windows = n.Emit.Reshape(pixels, y[0], y[2], 1, y[3], 1, y[1]);
        var elements = n.Emit.Expand(windows, y[0], y[2], window.Kernel[0], y[3], window.Kernel[1], y[1]);
        return n.Rows.ToPlanes(n.Emit.Reshape(elements, x[0] * x[2] * x[3], x[1]), x);
    }

    private static (PoolView View, long[] X, long[] Y) Read(NodeGradient n)
    {
        if (!PoolView.TryFrom(n.Node, out var view)) throw n.Refuse("its attributes are inconsistent");
        return (view, n.Dims(n.X()), n.Dims(n.Y()));
    }

    /// <summary>∂x from window gradients: each goes to all elements of its window.</summary>
    private static Value Spread(GradientEmitter emit, Value g, long[] x, long[] y, WindowGeometry window)
    {
        long planes = x[0] * x[1];
        if (Tiles(window, x, y))
        {
            // Windows side by side: repeating is cheaper. Short rows are repeated along both axes by a product with a matrix of ones and zeros.
            if (y[3] <= MaxRowLength)
                return emit.Reshape(emit.MatMul(emit.Reshape(g, planes * y[2], y[3]), emit.Constant(Repeating(y[3], window.Kernel[0], window.Kernel[1]))), x);
            // Longer ones: the inner axis is repeated by a product with ones, the outer by copying whole rows.
            var rows = emit.MatMul(emit.Reshape(g, planes * y[2] * y[3], 1), emit.Constant(Ones(1, window.Kernel[1])));
            var repeated = emit.Expand(emit.Reshape(rows, planes * y[2], 1, x[3]), planes * y[2], window.Kernel[0], x[3]);
            return emit.Reshape(repeated, x);
        }

        var ones = emit.Constant(Ones([1, 1, .. window.Kernel]));
        var spread = ConvolutionRules.TransposedConvolution(emit, emit.Reshape(g, [planes, 1, .. y[2..]]), ones, window, x[2..], y[2..], group: 1);
        return emit.Reshape(spread, x);
    }

    /// <summary>[columns, rows·columns·width]: column c goes to <paramref name="width"/> places in each of <paramref name="height"/> rows.</summary>
    private static Tensor Repeating(long columns, long height, long width)
    {
        long wide = columns * width;
        var matrix = new float[columns * height * wide];
        for (long c = 0; c < columns; c++)
            for (long r = 0; r < height; r++) matrix.AsSpan((int)((((c * height) + r) * wide) + (c * width)), (int)width).Fill(1);
        return Tensor.Float([columns, height * wide], matrix);
    }

    private static Tensor Ones(params long[] dims)
    {
        var ones = new float[Tensor.CountElements(dims)];
        Array.Fill(ones, 1f);
        return Tensor.Float(dims, ones);
    }

    /// <summary>1 over the number of elements that each window averages, [1, 1, positions…].</summary>
    private static Tensor InverseCounts(WindowGeometry window, long[] sizes, long[] positions, bool countsPadding)
    {
        int rank = sizes.Length;
        var inverse = WindowElements.Offsets(positions).Select(position =>
        {
            double count = 1;
            for (int i = 0; i < rank; i++)
            {
                long start = (position[i] * window.Strides[i]) - window.Pads[i];
                long low = countsPadding ? -window.Pads[i] : 0, high = countsPadding ? sizes[i] + window.Pads[i + rank] : sizes[i];
                count *= Enumerable.Range(0, (int)window.Kernel[i]).Count(k => start + (k * window.Dilations[i]) is var at && at >= low && at < high);
            }

            return (float)(1 / count);
        });
        return Tensor.Float([1, 1, .. positions], [.. inverse]);
    }

    private static void Max(NodeGradient n)
    {
        var (view, x, y) = Read(n);
        if (n.Emit.Opset < 8) throw n.Refuse("operator sets below 8 do not tell which element was taken");
        if (n.Attributes.Int("storage_order", 0) != 0) throw n.Refuse("storage_order is 1");
        var emit = n.Emit;
        // MaxPool also tells which elements it took: its gradient goes back to them.
        var taken = n.Node.Output(1) ?? emit.NodeOutput(n.Node, 1, n.Y().Name + "_taken");
        var window = view.Window!;
        long count = x.Aggregate(1L, (a, b) => a * b), outputs = y.Aggregate(1L, (a, b) => a * b);
        bool isDisjoint = Enumerable.Range(0, window.SpatialRank).All(i => window.Extent(i) <= window.Strides[i]);
        if ((isDisjoint && emit.Opset >= 11) || emit.Opset >= 16)
        {
            var zeros = emit.Zeros(count);
            var attributes = isDisjoint ? Array.Empty<NodeAttribute>() : [NodeAttribute.Of("reduction", "add")];
            var scattered = emit.Op("ScatterElements", [zeros, emit.Reshape(taken, outputs), emit.Reshape(n.DY, outputs)], attributes);
            n.Give(0, emit.Reshape(scattered, x));
            return;
        }

        n.Give(0, SpreadToTaken(n, taken, x, y, ConvolutionRules.Window(window, x[2..])));
    }

    /// <summary>The gradient without scattering: per window element a mask of the positions that took it; a transposed convolution with one-hot filters puts them back.</summary>
    private static Value SpreadToTaken(NodeGradient n, Value taken, long[] x, long[] y, WindowGeometry window)
    {
        var emit = n.Emit;
        long planes = x[0] * x[1], plane = x[2..].Aggregate(1L, (a, b) => a * b), kernel = window.Kernel.Aggregate(1L, (a, b) => a * b);
        long[] first = [.. Enumerable.Range(0, (int)planes).Select(i => i * plane)];
        var local = emit.Sub(emit.Reshape(taken, [planes, 1, .. y[2..]]), emit.Constant(Tensor.Int64([planes, 1, .. y[2..].Select(_ => 1L)], first)));
        long[] met = [.. WindowElements.Offsets(window.Kernel).SelectMany(offset => WindowElements.Offsets(y[2..]).Select(position => IndexOf(offset, position, x[2..], window)))];
        var mask = emit.Mask(emit.Op("Equal", [local, emit.Constant(Tensor.Int64([1, kernel, .. y[2..]], met))]));
        var oneHot = new float[kernel * kernel];
        for (long i = 0; i < kernel; i++) oneHot[(i * kernel) + i] = 1;
        var filters = emit.Constant(Tensor.Float([kernel, 1, .. window.Kernel], oneHot));
        var spread = ConvolutionRules.TransposedConvolution(emit, emit.Mul(mask, emit.Reshape(n.DY, [planes, 1, .. y[2..]])), filters, window, x[2..], y[2..], group: 1);
        return emit.Reshape(spread, x);
    }

    /// <summary>Index in its plane of what a window element meets; −1 in the padding.</summary>
    private static long IndexOf(long[] offset, long[] position, long[] sizes, WindowGeometry window)
    {
        long index = 0;
        for (int i = 0; i < sizes.Length; i++)
        {
            long at = (position[i] * window.Strides[i]) + (offset[i] * window.Dilations[i]) - window.Pads[i];
            if (at < 0 || at >= sizes[i]) return -1;
            index = (index * sizes[i]) + at;
        }

        return index;
    }
}
