using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Analysis.Shapes;

/// <summary>Joining two statements about the type of one value.</summary>
internal static class TypeLattice
{
    /// <summary>
    /// Both statements hold: takes the more specific of each part. Where they contradict, the inferred part wins, as in ONNX Runtime,
    /// which treats stored intermediate types as hints.
    /// </summary>
    public static ValueType Refine(ValueType inferred, ValueType declared, out bool contradicts)
    {
        contradicts = false;
        switch (inferred, declared)
        {
            case (TensorType i, TensorType d):
                return i with { ElementType = Element(i.ElementType, d.ElementType, ref contradicts), Shape = Shapes(i.Shape, d.Shape, ref contradicts) };
            case (SparseTensorType i, SparseTensorType d):
                return i with { ElementType = Element(i.ElementType, d.ElementType, ref contradicts), Shape = Shapes(i.Shape, d.Shape, ref contradicts) };
            case (SequenceType i, SequenceType d):
                return i with { Element = Nested(i.Element, d.Element, ref contradicts) };
            case (OptionalType i, OptionalType d):
                return i with { Element = Nested(i.Element, d.Element, ref contradicts) };
            case (MapType i, MapType d):
                return i with { Value = Nested(i.Value, d.Value, ref contradicts) };
            default:
                contradicts = inferred.GetType() != declared.GetType();
                return inferred;
        }
    }

    /// <summary>Either statement may hold: keeps what they agree on; null when they are of different kinds.</summary>
    /// <param name="a">One.</param>
    /// <param name="b">The other.</param>
    /// <param name="fresh">Gives the dimension at an axis on which they differ.</param>
    public static ValueType? Merge(ValueType? a, ValueType? b, Func<int, Dimension> fresh) => (a, b) switch
    {
        (TensorType x, TensorType y) => new TensorType(
            x.ElementType == y.ElementType ? x.ElementType : DataType.Undefined,
            Merge(x.Shape, y.Shape, fresh)),
        (SequenceType x, SequenceType y) => new SequenceType(MergeElement(x.Element, y.Element)),
        (OptionalType x, OptionalType y) => new OptionalType(MergeElement(x.Element, y.Element)),
        // An empty optional in one branch, a plain value in the other.
        (OptionalType x, not null and not OptionalType) => new OptionalType(MergeElement(x.Element, b)),
        (not null and not OptionalType, OptionalType y) => new OptionalType(MergeElement(a, y.Element)),
        _ => Equals(a, b) ? a : null,
    };

    /// <summary>Merges types that need not be those of one tensor, such as the members of a sequence: differing dimensions are unknown.</summary>
    public static ValueType? MergeElement(ValueType? a, ValueType? b) => a is null ? b : b is null ? a : Merge(a, b, _ => default);

    /// <summary>True if element type and every dimension are known or symbolic.</summary>
    public static bool IsResolved(ValueType? type) => type switch
    {
        TensorType t => t.ElementType != DataType.Undefined && t.Shape is { } shape && shape.Dimensions.All(d => d.IsKnown || d.Symbol is not null),
        SparseTensorType t => t.Shape is not null,
        null => false,
        _ => true,
    };

    private static Shape? Merge(Shape? a, Shape? b, Func<int, Dimension> fresh)
    {
        if (a is null || b is null || a.Rank != b.Rank) return null;
        return a.Equals(b) ? a : new Shape([.. a.Dimensions.Select((d, axis) => Same(d, b[axis]) ? d : fresh(axis))]);
    }

    private static bool Same(Dimension a, Dimension b) => a.Size == b.Size && a.Symbol == b.Symbol && (a.IsKnown || a.Symbol is not null);

    private static ValueType? Nested(ValueType? inferred, ValueType? declared, ref bool contradicts)
    {
        if (inferred is null || declared is null) return inferred ?? declared;
        var type = Refine(inferred, declared, out bool nested);
        contradicts |= nested;
        return type;
    }

    private static DataType Element(DataType inferred, DataType declared, ref bool contradicts)
    {
        if (inferred == DataType.Undefined || declared == DataType.Undefined) return inferred == DataType.Undefined ? declared : inferred;
        contradicts |= inferred != declared;
        return inferred;
    }

    private static Shape? Shapes(Shape? inferred, Shape? declared, ref bool contradicts)
    {
        if (inferred is null || declared is null) return inferred ?? declared;
        if (inferred.Rank != declared.Rank)
        {
            contradicts = true;
            return inferred;
        }

        var dimensions = new Dimension[inferred.Rank];
        for (int i = 0; i < dimensions.Length; i++)
        {
            contradicts |= inferred[i].IsKnown && declared[i].IsKnown && inferred[i].Size != declared[i].Size;
            // A declared symbol says less than an inferred formula, and exporters reuse names carelessly.
            dimensions[i] = inferred[i].IsKnown ? inferred[i]
                : declared[i].IsKnown ? declared[i]
                : inferred[i].Symbol is not null ? inferred[i] : declared[i];
        }

        return new Shape(dimensions);
    }
}
