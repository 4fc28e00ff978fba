using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes;

/// <summary>Contents picked, cut and joined.</summary>
internal static class ContentLayout
{
    /// <summary>Gather along any axis.</summary>
    public static Content? Gather(NodeInference n, Content x)
    {
        if (n.ContentOf(1)?.KnownIntegers is not { } indices || x.Rank == 0) return null;
        int axis = n.Axis("axis", 0, x.Rank);
        if (Content.OfShape(ContentRules.OutputShape(n)) is not { } target) return null;
        int size = (int)x.Dims[axis];
        int inner = (int)x.Dims.Skip(axis + 1).Aggregate(1L, (a, b) => a * b);
        int outer = inner * size == 0 ? 0 : x.Elements.Length / (inner * size);
        var elements = new List<Element>(target.Elements.Length);
        for (int o = 0; o < outer; o++)
        {
            foreach (long index in indices)
            {
                long at = index < 0 ? index + size : index;
                if (at < 0 || at >= size) return null;
                elements.AddRange(x.Elements.AsSpan((int)(((o * size) + at) * inner), inner));
            }
        }

        return elements.Count == target.Elements.Length ? target with { Elements = [.. elements] } : null;
    }

    /// <summary>Slice along any axes with known bounds.</summary>
    public static Content? Slice(NodeInference n, Content x)
    {
        var starts = n.Attributes.Ints("starts") ?? n.ContentOf(1)?.KnownIntegers;
        var ends = n.Attributes.Ints("ends") ?? n.ContentOf(2)?.KnownIntegers;
        if (starts is null || ends is null || starts.Count != ends.Count) return null;
        var axes = n.Attributes.Ints("axes") ?? (n.HasInput(3) ? n.ContentOf(3)?.KnownIntegers : Enumerable.Range(0, starts.Count).Select(i => (long)i).ToArray());
        var steps = n.HasInput(4) ? n.ContentOf(4)?.KnownIntegers : Enumerable.Repeat(1L, starts.Count).ToArray();
        if (axes?.Count != starts.Count || steps?.Length != starts.Count) return null;
        var picked = x.Dims.Select(size => Enumerable.Range(0, (int)size).ToArray()).ToArray();
        for (int i = 0; i < axes.Count; i++)
        {
            int axis = n.Normalize(axes[i], x.Rank);
            if (steps[i] == 0) return null;
            picked[axis] = [.. Positions(x.Dims[axis], starts[i], ends[i], steps[i])];
        }

        return Pick(x, picked, [.. Enumerable.Range(0, x.Rank)]);
    }

    /// <summary>Transposition.</summary>
    public static Content? Transpose(NodeInference n, Content x)
    {
        int[] permutation = n.Attributes.Ints("perm") is { Count: > 0 } stated
            ? [.. stated.Select(axis => n.Normalize(axis, x.Rank))]
            : [.. Enumerable.Range(0, x.Rank).Reverse()];
        return permutation.Length == x.Rank ? Pick(x, [.. x.Dims.Select(size => Enumerable.Range(0, (int)size).ToArray())], permutation) : null;
    }

    private static IEnumerable<int> Positions(long size, long start, long end, long step)
    {
        long from = start < 0 ? Math.Max(start + size, step > 0 ? 0 : -1) : Math.Min(start, step > 0 ? size : size - 1);
        long to = end < 0 ? Math.Max(end, -size - 1) + size : Math.Min(end, size);
        for (long i = from; step > 0 ? i < to : i > to; i += step)
            if (i >= 0 && i < size) yield return (int)i;
    }

    /// <summary>The elements at <paramref name="positions"/> of each axis, with axes in the order <paramref name="permutation"/>.</summary>
    private static Content Pick(Content x, int[][] positions, int[] permutation)
    {
        int[] strides = new int[x.Rank];
        for (int axis = x.Rank - 1, stride = 1; axis >= 0; stride *= (int)x.Dims[axis--]) strides[axis] = stride;
        int[] offsets = [0];
        foreach (int axis in permutation)
        {
            var next = new int[offsets.Length * positions[axis].Length];
            for (int i = 0; i < next.Length; i++) next[i] = offsets[i / positions[axis].Length] + (positions[axis][i % positions[axis].Length] * strides[axis]);
            offsets = next;
        }

        var elements = new Element[offsets.Length];
        for (int i = 0; i < elements.Length; i++) elements[i] = x.Elements[offsets[i]];
        return new([.. permutation.Select(axis => (long)positions[axis].Length)], elements);
    }

    /// <summary>Split of a vector: every output gets its part.</summary>
    public static void Split(NodeInference n)
    {
        if (n.ContentOf(0) is not { Rank: 1 } x) return;
        int at = 0;
        for (int i = 0; i < n.Node.Outputs.Count; i++)
        {
            var type = n.Node.Output(i) is { } output ? n.State.TypeOf(output) as TensorType : null;
            if (type?.Shape?.ElementCount is not { } size || at + size > x.Elements.Length) return;
            n.SetContent(i, new([size], x.Elements[at..(at + (int)size)]));
            at += (int)size;
        }
    }

    /// <summary>Concatenation of vectors, parts of which may be unknown.</summary>
    public static Content? Concat(NodeInference n)
    {
        var elements = new List<Element>();
        for (int i = 0; i < n.Node.Inputs.Count; i++)
        {
            if (ContentRules.Input(n, i) is not { Rank: 1 } part) return null;
            elements.AddRange(part.Elements);
        }

        return new([elements.Count], [.. elements]);
    }
}
