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

    /// <summary>Slice of a vector.</summary>
    public static Content? Slice(NodeInference n, Content x)
    {
        if (x.Rank != 1) return null;
        long? start = n.Attributes.Ints("starts")?[0] ?? n.ContentOf(1)?.KnownIntegers?.FirstOrDefault();
        long? end = n.Attributes.Ints("ends")?[0] ?? n.ContentOf(2)?.KnownIntegers?.FirstOrDefault();
        long? step = n.HasInput(4) ? n.ContentOf(4)?.KnownIntegers?.FirstOrDefault() : 1;
        if (start is not { } from || end is not { } to || step is not { } by || by == 0) return null;
        long size = x.Elements.Length;
        from = from < 0 ? Math.Max(from + size, by > 0 ? 0 : -1) : Math.Min(from, by > 0 ? size : size - 1);
        to = to < 0 ? Math.Max(to, -size - 1) + size : Math.Min(to, size);
        var elements = new List<Element>();
        for (long i = from; by > 0 ? i < to : i > to; i += by)
        {
            if (i < 0 || i >= size) return null;
            elements.Add(x.Elements[i]);
        }

        return new([elements.Count], [.. elements]);
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
