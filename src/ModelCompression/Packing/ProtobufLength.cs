using System.Text;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Packing;

/// <summary>Lengths of ONNX messages in protobuf's wire format, so that forms can be compared without writing them.</summary>
internal static class ProtobufLength
{
    private const int TagByteLength = 1;

    /// <summary>A tensor with raw data, without its own prefix.</summary>
    public static long Tensor(DataType type, ReadOnlySpan<long> dims, long dataByteLength, int nameByteLength)
    {
        long length = TagByteLength + Varint((long)type) + (dataByteLength > 0 ? Prefixed(dataByteLength) : 0);
        foreach (long dim in dims) length += TagByteLength + Varint(dim);
        return nameByteLength > 0 ? length + Prefixed(nameByteLength) : length;
    }

    /// <summary>A node without its own prefix and name.</summary>
    public static long Node(string opType, IEnumerable<int> valueNameByteLengths, IEnumerable<NodeAttribute> attributes) =>
        Prefixed(opType.Length) + valueNameByteLengths.Sum(name => Prefixed(name)) + attributes.Sum(a => Prefixed(Attribute(a)));

    /// <summary>A message or string behind its tag and length.</summary>
    public static long Prefixed(long length) => TagByteLength + Varint(length) + length;

    private static long Attribute(NodeAttribute attribute)
    {
        long length = Prefixed(Encoding.UTF8.GetByteCount(attribute.Name)) + 3;
        return length + attribute.Type switch
        {
            AttributeType.Int => TagByteLength + Varint(attribute.Int),
            AttributeType.Ints => attribute.Ints.Sum(i => (long)TagByteLength + Varint(i)),
            AttributeType.String => Prefixed(attribute.Bytes.Length),
            AttributeType.Tensor => Prefixed(Tensor(attribute.Tensor.DataType, attribute.Tensor.Dims, attribute.Tensor.ByteLength, 0)),
            _ => throw new NotSupportedException($"Packed forms have no attribute of type {attribute.Type}."),
        };
    }

    private static int Varint(long value)
    {
        int length = 1;
        for (ulong rest = (ulong)value >> 7; rest != 0; rest >>= 7) length++;
        return length;
    }
}
