using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Onnx.Serialization;

/// <summary>Between <see cref="TypeProto"/> and <see cref="ValueType"/>.</summary>
internal static class TypeConversion
{
    /// <summary>Reads a type; null when it is absent or states nothing.</summary>
    public static ValueType? Read(TypeProto? proto)
    {
        ValueType? type = proto?.ValueCase switch
        {
            TypeProto.ValueOneofCase.TensorType => new TensorType((DataType)proto.TensorType.ElemType, ReadShape(proto.TensorType.Shape)),
            TypeProto.ValueOneofCase.SparseTensorType => new SparseTensorType((DataType)proto.SparseTensorType.ElemType, ReadShape(proto.SparseTensorType.Shape)),
            TypeProto.ValueOneofCase.SequenceType => new SequenceType(Read(proto.SequenceType.ElemType)),
            TypeProto.ValueOneofCase.OptionalType => new OptionalType(Read(proto.OptionalType.ElemType)),
            TypeProto.ValueOneofCase.MapType => new MapType((DataType)proto.MapType.KeyType, Read(proto.MapType.ValueType)),
            TypeProto.ValueOneofCase.OpaqueType => new OpaqueType(proto.OpaqueType.Domain, proto.OpaqueType.Name),
            _ => null,
        };
        return type is null || proto!.Denotation.Length == 0 ? type : type with { Denotation = proto.Denotation };
    }

    /// <summary>Writes a type.</summary>
    public static TypeProto Write(ValueType type)
    {
        var proto = type switch
        {
            TensorType t => new TypeProto { TensorType = new() { ElemType = (int)t.ElementType, Shape = WriteShape(t.Shape) } },
            SparseTensorType t => new TypeProto { SparseTensorType = new() { ElemType = (int)t.ElementType, Shape = WriteShape(t.Shape) } },
            SequenceType t => new TypeProto { SequenceType = new() { ElemType = t.Element is null ? null : Write(t.Element) } },
            OptionalType t => new TypeProto { OptionalType = new() { ElemType = t.Element is null ? null : Write(t.Element) } },
            MapType t => new TypeProto { MapType = new() { KeyType = (int)t.KeyType, ValueType = t.Value is null ? null : Write(t.Value) } },
            OpaqueType t => new TypeProto { OpaqueType = new() { Domain = t.Domain, Name = t.Name } },
            _ => throw new NotSupportedException($"{type.GetType().Name} is not an ONNX type."),
        };
        if (type.Denotation.Length > 0) proto.Denotation = type.Denotation;
        return proto;
    }

    /// <summary>
    /// True when what the file declares still holds for <paramref name="actual"/>: the same, or less exact. A type that inference has made
    /// more exact does not change what the model declares.
    /// </summary>
    public static bool Covers(TypeProto declared, ValueType actual) => Read(declared) switch
    {
        null => declared.ValueCase == TypeProto.ValueOneofCase.None,
        TensorType d => actual is TensorType a && a.ElementType == d.ElementType && Covers(d.Shape, a.Shape),
        var other => other.Equals(actual),
    };

    private static bool Covers(Shape? declared, Shape? actual)
    {
        if (declared is null) return true;
        if (actual is null || actual.Rank != declared.Rank) return false;
        for (int i = 0; i < declared.Rank; i++)
            if (declared[i].Size is { } size && actual[i].Size != size) return false;
        return true;
    }

    private static Shape? ReadShape(TensorShapeProto? proto) => proto is null ? null : new Shape(proto.Dim.Select(ReadDimension));

    private static Dimension ReadDimension(TensorShapeProto.Types.Dimension proto)
    {
        var dimension = proto.ValueCase switch
        {
            // Some exporters write -1 for a size that is not known.
            TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue when proto.DimValue >= 0 => Dimension.Of(proto.DimValue),
            TensorShapeProto.Types.Dimension.ValueOneofCase.DimParam => Dimension.OfSymbol(proto.DimParam),
            _ => Dimension.Unknown,
        };
        return proto.HasDenotation ? dimension with { Denotation = proto.Denotation } : dimension;
    }

    private static TensorShapeProto? WriteShape(Shape? shape)
    {
        if (shape is null) return null;
        var proto = new TensorShapeProto();
        foreach (var dimension in shape.Dimensions)
        {
            var dim = new TensorShapeProto.Types.Dimension();
            if (dimension.Size is { } size) dim.DimValue = size;
            else if (dimension.Symbol is { } symbol) dim.DimParam = symbol;
            if (dimension.Denotation is { } denotation) dim.Denotation = denotation;
            proto.Dim.Add(dim);
        }

        return proto;
    }
}
