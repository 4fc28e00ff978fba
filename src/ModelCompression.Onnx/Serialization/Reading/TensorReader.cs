using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization.Reading;

/// <summary>Makes tensors of <see cref="TensorProto"/>s whose elements the slimmer has left in the file.</summary>
internal sealed class TensorReader(ReadContext context)
{
    /// <summary>Reads a tensor; its elements stay where they are unless they have to be converted.</summary>
    /// <param name="proto">The message; kept, without what the tensor itself knows, for writing.</param>
    /// <param name="where">What to call the tensor in an error.</param>
    public Tensor Read(TensorProto proto, string where)
    {
        var type = (DataType)proto.DataType;
        if (!type.IsKnown())
            throw context.Error("MCB2012", $"{where} has data type {proto.DataType}, which no ONNX version up to IR {ModelReader.NewestIrVersion} defines. Export the model with a current exporter.");
        if (proto.Segment is not null)
            throw context.Error("MCB2012", $"{where} is split into segments, which ONNX runtimes do not load. Export the model with a current exporter.");
        long[] dims = [.. proto.Dims];
        long byteLength = Measure(type, dims, where);
        var tensor = type == DataType.String
            ? Tensor.FromStrings(dims, ReadStrings(proto, Tensor.CountElements(dims), where))
            : new Tensor(type, dims, ReadData(proto, type, byteLength, where));
        proto.Dims.Clear();
        proto.StringData.Clear();
        proto.ExternalData.Clear();
        proto.ClearRawData();
        proto.ClearDataLocation();
        return tensor.WithOrigin(proto.DocString, proto);
    }

    private long Measure(DataType type, long[] dims, string where)
    {
        try
        {
            long count = Tensor.CountElements(dims);
            return type == DataType.String ? count : type.ByteLength(count);
        }
        catch (OverflowException)
        {
            throw context.Error("MCB2011", $"{where} has the impossible shape [{string.Join(',', dims)}]. The file is damaged; export or download it again.");
        }
    }

    private ReadOnlyMemory<byte>[] ReadStrings(TensorProto proto, long count, string where)
    {
        if (proto.DataLocation == TensorProto.Types.DataLocation.External)
            throw context.Error("MCB2012", $"{where} holds strings in an external file; ONNX keeps strings in the model. Export the model again.");
        if (proto.StringData.Count != count)
            throw context.Error("MCB2011", $"{where} should hold {count} strings but holds {proto.StringData.Count}. The file is damaged; export or download it again.");
        return [.. proto.StringData.Select(s => s.Memory)];
    }

    private TensorData ReadData(TensorProto proto, DataType type, long byteLength, string where)
    {
        if (proto.DataLocation == TensorProto.Types.DataLocation.External)
            return context.External.Open(proto.ExternalData, byteLength, where);
        var chunks = ChunksOf(proto);
        // raw_data wins where both forms are given, as in ONNX Runtime; an empty one counts as absent.
        var raw = chunks.LastOrDefault(c => c.Field == WireSchema.RawData && c.IsPacked);
        if (raw.Length == byteLength && raw.Field != 0) return context.Source.Slice(raw.Offset, raw.Length);
        if (raw.Length != 0) throw WrongSize(where, type, byteLength, raw.Length);
        return TypedData.Read(context.Source, chunks, type, byteLength, out long found) ?? throw WrongSize(where, type, byteLength, found);
    }

    private IReadOnlyList<DataChunk> ChunksOf(TensorProto proto)
    {
        if (!proto.HasRawData) return [];
        return context.Slim.Chunks[BitConverter.ToInt32(proto.RawData.Span)];
    }

    private Diagnostics.DiagnosticException WrongSize(string where, DataType type, long expected, long found) =>
        context.Error("MCB2011", $"{where} ({type}) should hold {expected} bytes by its shape but holds {found}. The file is damaged; export or download it again.");
}
