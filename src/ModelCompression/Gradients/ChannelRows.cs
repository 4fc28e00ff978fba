using ModelCompression.Onnx.Graph;

namespace ModelCompression.Gradients;

/// <summary>Values [N, C, H, W] as rows [N·H·W, C]. A runtime that keeps channels in blocks between convolutions turns these into rows and back by copying, but into planes element by element.</summary>
/// <param name="emit">Adds nodes.</param>
/// <param name="blocks">Values in blocks.</param>
internal sealed class ChannelRows(GradientEmitter emit, ChannelBlocks blocks)
{
    private readonly Dictionary<Value, Value> pixels = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Value, Value> rows = new(ReferenceEqualityComparer.Instance);

    /// <summary>The rows of a value where they are there or cheap to make, else null.</summary>
    public Value? Find(Value value, long[] dims)
    {
        if (rows.TryGetValue(value, out var known)) return known;
        return blocks.Has(value, dims) ? Of(value, dims) : null;
    }

    /// <summary>The same elements as <see cref="Find"/>, in whatever shape needs no copy.</summary>
    public (Value Value, long[] Dims)? FindElements(Value value, long[] dims)
    {
        if (rows.TryGetValue(value, out var known) && !pixels.ContainsKey(value)) return (known, [dims[0] * dims[2] * dims[3], dims[1]]);
        return blocks.Has(value, dims) ? (PixelsOf(value), [dims[0], dims[2], dims[3], dims[1]]) : null;
    }

    /// <summary>The sum of two values [N, C, H, W] that were made of rows; null for others.</summary>
    public Value? Sum(Value a, Value b, Func<long[]> dims) => rows.TryGetValue(a, out var p) && rows.TryGetValue(b, out var q) && !pixels.ContainsKey(a) && !pixels.ContainsKey(b) ? ToPlanes(emit.Add(p, q), dims()) : null;

    /// <summary>A value [N, C, H, W] from one value [N, C, h, w] for each place of a tile of <paramref name="height"/> by <paramref name="width"/> elements, row by row; zeros where there is none.</summary>
    public Value FromTile(IReadOnlyList<Value?> places, int height, int width, long[] dims)
    {
        long n = dims[0], c = dims[1], h = dims[2] / height, w = dims[3] / width;
        // As matrices: ONNX Runtime would move the transpositions behind joins that keep the axes apart.
        var nothing = places.Contains(null) ? emit.Zeros(n * h * w, c) : null;
        var pixels = places.Select(p => p is null ? nothing! : Of(p, [n, c, h, w])).ToList();
        var lines = Enumerable.Range(0, height).Select(y => emit.Reshape(emit.Concat(pixels.GetRange(y * width, width), 1), n * h, w * width * c)).ToList();
        return ToPlanes(emit.Reshape(emit.Concat(lines, 1), n * h * height * w * width, c), dims);
    }

    /// <summary>The rows of a value.</summary>
    public Value Of(Value value, long[] dims)
    {
        if (!rows.TryGetValue(value, out var result)) rows[value] = result = emit.Reshape(PixelsOf(value), dims[0] * dims[2] * dims[3], dims[1]);
        return result;
    }

    /// <summary>A value [N, C, H, W] from rows.</summary>
    public Value ToPlanes(Value of, long[] dims)
    {
        var value = emit.Transpose(emit.Reshape(of, dims[0], dims[2], dims[3], dims[1]), 0, 3, 1, 2);
        rows[value] = of;
        return value;
    }

    private Value PixelsOf(Value value)
    {
        if (!pixels.TryGetValue(value, out var result)) pixels[value] = result = emit.Transpose(value, 0, 2, 3, 1);
        return result;
    }
}
