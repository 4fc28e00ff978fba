using Google.Protobuf;
using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization.Writing;

/// <summary>The data of all tensors of a message, which itself holds only their indices in this table.</summary>
internal sealed class TensorTable
{
    private readonly List<TensorData> data = [];
    private readonly List<(TensorProto Proto, TensorData Data)> initializers = [];

    /// <summary>Data by index.</summary>
    public IReadOnlyList<TensorData> Data => data;

    /// <summary>The initializers of all graphs in file order, which may be stored in a file of their own.</summary>
    public IReadOnlyList<(TensorProto Proto, TensorData Data)> Initializers => initializers;

    /// <summary>Makes the message of a tensor.</summary>
    public TensorProto Add(Tensor tensor)
    {
        var proto = tensor.Opaque is TensorProto origin ? origin.Clone() : new TensorProto();
        if (proto.DataType != (int)tensor.DataType) proto.DataType = (int)tensor.DataType;
        if (proto.DocString != tensor.DocString) proto.DocString = tensor.DocString;
        foreach (long dim in tensor.Dims) proto.Dims.Add(dim);
        if (tensor.Strings is { } strings)
        {
            foreach (var text in strings) proto.StringData.Add(UnsafeByteOperations.UnsafeWrap(text));
            return proto;
        }

        // ONNX's checker refuses an empty tensor that has a data field.
        if (tensor.ByteLength == 0) return proto;
        proto.RawData = ByteString.CopyFrom(BitConverter.GetBytes(data.Count));
        data.Add(tensor.Data);
        return proto;
    }

    /// <summary>Makes the message of an initializer.</summary>
    public TensorProto AddInitializer(string name, Tensor tensor)
    {
        var proto = Add(tensor);
        if (proto.Name != name) proto.Name = name;
        if (proto.HasRawData) initializers.Add((proto, tensor.Data));
        return proto;
    }

    /// <summary>Makes the message of a sparse tensor.</summary>
    public SparseTensorProto Add(SparseTensor sparse)
    {
        var origin = sparse.Opaque as SparseTensorProto;
        var proto = origin?.Clone() ?? new SparseTensorProto();
        proto.Values = Add(sparse.Values);
        // Indices may be absent when there are no values.
        proto.Indices = origin is { Indices: null } && sparse.Indices.ElementCount == 0 ? null : Add(sparse.Indices);
        proto.Dims.Add(sparse.Dims);
        return proto;
    }
}
