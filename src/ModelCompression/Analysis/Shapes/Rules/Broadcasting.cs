using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Shapes.Rules;

/// <summary>Multidirectional (NumPy) broadcasting with symbols.</summary>
internal static class Broadcasting
{
    /// <summary>The common shape; a dimension that cannot be told is unknown. Null when a rank is not known.</summary>
    public static Shape? Combine(NodeInference n, params IEnumerable<Shape?> shapes)
    {
        Shape? result = null;
        foreach (var shape in shapes)
        {
            if (shape is null) return null;
            result = result is null ? shape : Combine(n, result, shape);
        }

        return result;
    }

    /// <summary>The common size of two dimensions.</summary>
    public static Dimension Combine(NodeInference n, Dimension a, Dimension b)
    {
        if (a.Size == 1) return b;
        if (b.Size == 1) return a;
        if (a.IsKnown && b.IsKnown) return a.Size == b.Size ? a : throw n.Refuse($"sizes {a.Size} and {b.Size} cannot be broadcast");
        // A size other than 1 wins over a symbol: the symbol is 1 or the same.
        if (a.IsKnown) return a;
        if (b.IsKnown) return b;
        return a.Symbol is not null && a.Symbol == b.Symbol ? a : default;
    }

    private static Shape Combine(NodeInference n, Shape a, Shape b)
    {
        int rank = Math.Max(a.Rank, b.Rank);
        var dimensions = new Dimension[rank];
        for (int i = 0; i < rank; i++)
        {
            int ai = i - (rank - a.Rank), bi = i - (rank - b.Rank);
            dimensions[i] = ai < 0 ? b[bi] : bi < 0 ? a[ai] : Combine(n, a[ai], b[bi]);
        }

        return new Shape(dimensions);
    }
}
