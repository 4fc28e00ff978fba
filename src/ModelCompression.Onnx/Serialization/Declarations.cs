using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization.Proto;
using ValueType = ModelCompression.Onnx.Tensors.ValueType;

namespace ModelCompression.Onnx.Serialization;

/// <summary>What a file declares of the values inside its graphs: entries of <c>value_info</c>. ONNX asks for none of them.</summary>
public static class Declarations
{
    /// <summary>Bytes of a value's entry besides its name; 0 when there is none.</summary>
    public static int ByteLengthOf(Value value) =>
        value.Opaque is ValueInfoProto info ? info.CalculateSize() - (info.HasName ? System.Text.Encoding.UTF8.GetByteCount(info.Name) : 0) : 0;

    /// <summary>True if an entry states nothing beyond <paramref name="known"/>: same element type, no size that is not known, no text.</summary>
    public static bool Follow(Value value, ValueType? known)
    {
        if (value.Opaque is not ValueInfoProto info || known is null) return false;
        return info.Type is not null && info.DocString.Length == 0 && info.MetadataProps.Count == 0 && info.Type.Denotation.Length == 0 && TypeConversion.Covers(info.Type, known);
    }

    /// <summary>Declares the type that an inner value has: it is written with the model from now on. An entry that states as much stays as it is.</summary>
    /// <returns>False if there is nothing to add.</returns>
    public static bool State(Value value)
    {
        if (value.Type is not { } type || (value.Opaque is ValueInfoProto { Type: { } declared } && type.Equals(TypeConversion.Read(declared)))) return false;
        var info = value.Opaque as ValueInfoProto;
        value.Opaque = info?.Clone() ?? new ValueInfoProto();
        ((ValueInfoProto)value.Opaque).Type = TypeConversion.Write(type);
        return true;
    }

    /// <summary>Drops the entry of an inner value.</summary>
    public static void Remove(Value value)
    {
        if (value.Opaque is ValueInfoProto) value.Opaque = null;
    }
}
