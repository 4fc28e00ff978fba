using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients.Rules;

/// <summary>The elements that the positions of a sliding window meet.</summary>
internal static class WindowElements
{
    /// <summary>Channels that ONNX Runtime keeps together at most.</summary>
    private const int RuntimeBlock = 16;

    /// <summary>Elements of a tensor that a core's second cache holds, 1 MiB.</summary>
    private const long CachedElements = 1 << 18;

    /// <summary>Per window element, in row-major order, a tensor [N, C, positions…] of what it meets; zeros in the padding.</summary>
    /// <param name="emit">Adds nodes.</param>
    /// <param name="x">[N, C, spatial…].</param>
    /// <param name="dims">Its sizes.</param>
    /// <param name="positions">Window positions per axis.</param>
    /// <param name="window">The window; its padding is stated in numbers.</param>
    public static IEnumerable<Value> All(GradientEmitter emit, Value x, long[] dims, long[] positions, WindowGeometry window)
    {
        int rank = window.SpatialRank;
        var begins = new long[rank + 2];
        var ends = new long[rank + 2];
        for (int i = 0; i < rank; i++)
        {
            begins[i + 2] = window.Pads[i];
            // To the end of the last window, which may be before or after the end of the input.
            ends[i + 2] = ((positions[i] - 1) * window.Strides[i]) + window.Extent(i) - window.Pads[i] - dims[i + 2];
        }

        bool isOld = emit.Opset < 10 && window.Strides.Any(s => s > 1);
        // Old slices have no step: there, every strides-th element is cut out of whole periods, for which some zeros are added.
        for (int i = 0; isOld && i < rank; i++) ends[i + 2] += window.Strides[i] - 1;
        var padded = emit.Pad(x, begins, ends);
        foreach (long[] offset in Offsets(window.Kernel))
            yield return isOld ? OldElement(emit, padded, [.. offset.Select((o, i) => o * window.Dilations[i])], [dims[0], dims[1], .. positions], window) : Element(emit, padded, offset, positions, window);
    }

    /// <summary>Whether <see cref="ByFilters"/> is the faster way: steps make slices slow, and small tensors stay in the cache. It serves windows that reach no farther than their padding.</summary>
    public static bool FiltersPay(long[] dims, long[] positions, WindowGeometry window)
    {
        if (dims[1] % RuntimeBlock != 0 || window.Kernel.All(k => k == 1) || window.SpatialRank != 2 || window.Pads.Any(p => p < 0)) return false;
        for (int i = 0; i < window.SpatialRank; i++)
            if (positions[i] != ((dims[i + 2] + window.Pads[i] + window.Pads[i + window.SpatialRank] - window.Extent(i)) / window.Strides[i]) + 1) return false;
        return window.Strides.Any(s => s > 1) || dims[0] * dims[1] * positions.Aggregate(1L, (a, b) => a * b) <= CachedElements;
    }

    /// <summary>The same tensors by depthwise convolutions whose filters are one in one place: a runtime that keeps channels in blocks makes them where the convolution before left its result.</summary>
    public static IEnumerable<Value> ByFilters(GradientEmitter emit, Value x, long channels, WindowGeometry window)
    {
        int count = (int)window.Kernel.Aggregate(1L, (a, b) => a * b);
        for (int element = 0; element < count; element++)
        {
            var filters = new float[channels * count];
            for (int c = 0; c < channels; c++) filters[(c * count) + element] = 1;
            yield return emit.Op("Conv", [x, emit.Constant(Tensor.Float([channels, 1, .. window.Kernel], filters))], [.. ConvolutionRules.Attributes(window, window.Pads), NodeAttribute.Of("group", channels)]);
        }
    }

    /// <summary>All index tuples below the given sizes, the last one running fastest.</summary>
    public static IEnumerable<long[]> Offsets(IReadOnlyList<long> sizes)
    {
        var offset = new long[sizes.Count];
        while (true)
        {
            yield return [.. offset];
            int axis = offset.Length - 1;
            while (axis >= 0 && ++offset[axis] == sizes[axis]) offset[axis--] = 0;
            if (axis < 0) yield break;
        }
    }

    private static Value OldElement(GradientEmitter emit, Value padded, long[] starts, long[] result, WindowGeometry window)
    {
        int rank = starts.Length;
        long[] axes = [.. starts.Select((_, i) => (long)i + 2)];
        var periods = emit.Slice(padded, starts, [.. starts.Select((s, i) => s + (result[i + 2] * window.Strides[i]))], axes);
        long[] split = [result[0], result[1], .. Enumerable.Range(0, rank).SelectMany(i => new[] { result[i + 2], window.Strides[i] })];
        long[] phases = [.. Enumerable.Range(0, rank).Select(i => (long)(2 * i) + 3)];
        var first = emit.Slice(emit.Reshape(periods, split), new long[rank], [.. phases.Select(_ => 1L)], phases);
        return emit.Reshape(first, result);
    }

    private static Value Element(GradientEmitter emit, Value padded, long[] offset, long[] positions, WindowGeometry window)
    {
        if (window.Kernel.All(k => k == 1) && window.Strides.All(s => s == 1)) return padded;
        long[] starts = [.. offset.Select((o, i) => o * window.Dilations[i])];
        long[] ends = [.. starts.Select((s, i) => s + ((positions[i] - 1) * window.Strides[i]) + 1)];
        long[] axes = [.. offset.Select((_, i) => (long)i + 2)];
        return emit.Slice(padded, starts, ends, axes, [.. window.Strides]);
    }
}
