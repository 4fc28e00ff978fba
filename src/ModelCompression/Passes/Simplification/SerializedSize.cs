using System.Text;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>
/// Bounds on the bytes that parts of a graph take in a file, for passes that must not make it larger. What goes is counted low, what comes high.
/// </summary>
internal static class SerializedSize
{
    /// <summary>At least this many bytes go with the node, constants it uses not counted, except those in its own attributes.</summary>
    public static long AtLeast(Node node)
    {
        long size = Text(node.OpType);
        foreach (var input in node.Inputs) size += Text(input?.Name ?? "");
        foreach (var output in node.Outputs) size += Text(output?.Name ?? "");
        if (node.Name.Length > 0) size += Text(node.Name);
        foreach (var attribute in node.Attributes) size += Field(Text(attribute.Name) + Payload(attribute));
        return Field(size);
    }

    /// <summary>At least this many bytes go with a stored constant.</summary>
    public static long AtLeast(Value value, Tensor tensor) =>
        value.Producer is { } node ? AtLeast(node) : Field(Content(tensor) + Text(value.Name));

    /// <summary>At most this many bytes come with a new constant whose name starts with <paramref name="name"/>.</summary>
    public static long AtMost(GraphScope scope, string name, DataType type, ReadOnlySpan<long> dims, bool asNode = false)
    {
        const int suffix = 5, dataType = 2;
        long text = Text(name) + suffix;
        long size = Field(text + dataType + Dims(dims) + Field(type.ByteLength(Tensor.CountElements(dims))));
        if (scope.Model.IrVersion < 4) size += Field(text + 8 + (3 * Dims(dims)));
        return asNode ? size + Text("Constant") + Text("value") + 12 : size;
    }

    /// <summary>Bytes of the inputs of <paramref name="node"/> that nothing else uses and that would go with it.</summary>
    public static long AtLeastOfOwnConstants(Node node, GraphScope scope)
    {
        long size = 0;
        foreach (var input in node.Inputs.Distinct())
            if (input is not null && IsOwn(input, node) && scope.TryGetFixed(input, out var tensor)) size += AtLeast(input, tensor);
        return size;
    }

    private static bool IsOwn(Value value, Node node) =>
        !value.IsGraphOutput && !value.IsReferencedByName && value.Uses.All(u => u.Node == node);

    private static long Payload(NodeAttribute attribute) => attribute.Type switch
    {
        _ when attribute.ReferencedName is not null => 0,
        AttributeType.Tensor => Content(attribute.Tensor),
        AttributeType.Ints => 2 * attribute.Ints.Count,
        AttributeType.Floats => attribute.Floats.Count * 4L,
        AttributeType.String => attribute.Bytes.Length,
        _ => 2,
    };

    private static long Content(Tensor tensor) => Dims(tensor.Dims) + tensor.ByteLength;

    private static long Dims(ReadOnlySpan<long> dims)
    {
        long size = 0;
        foreach (long dim in dims) size += 1 + Varint(dim);
        return size;
    }

    private static long Text(string text) => Field(Encoding.UTF8.GetByteCount(text));

    /// <summary>A field of that many bytes with its tag and length.</summary>
    private static long Field(long byteLength) => 1 + Varint(byteLength) + byteLength;

    private static int Varint(long value)
    {
        int length = 1;
        for (ulong rest = (ulong)value >> 7; rest != 0; rest >>= 7) length++;
        return length;
    }
}
