using System.Buffers;
using System.Buffers.Binary;
using System.Text.Unicode;

namespace ModelCompression.Onnx.Serialization;

/// <summary>Where the elements of a tensor lie in the file.</summary>
/// <param name="Field">Field of <c>TensorProto</c>.</param>
/// <param name="IsPacked">True for one length-delimited block; false for a run of single elements, each with its tag.</param>
/// <param name="Offset">First byte.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct DataChunk(int Field, bool IsPacked, long Offset, long Length);

/// <summary>A model without its tensor elements.</summary>
/// <param name="Bytes">A valid <c>ModelProto</c>; <c>raw_data</c> of each tensor that has elements is the int32 index of its entry in <paramref name="Chunks"/>.</param>
/// <param name="Chunks">Per tensor, in file order, where its elements lie.</param>
internal sealed record SlimModel(ReadOnlyMemory<byte> Bytes, IReadOnlyList<IReadOnlyList<DataChunk>> Chunks);

/// <summary>
/// Copies a serialized model while leaving out every tensor element, so that parsing it neither touches nor copies weights.
/// All tensors are treated alike, large or small: an index can then not be mistaken for data.
/// </summary>
internal sealed unsafe class MessageSlimmer
{
    /// <summary>Length prefixes are patched after the content is known; protobuf accepts numbers that are padded to five bytes.</summary>
    private const int PaddedLength = 5;

    private readonly byte* start;
    private readonly ArrayBufferWriter<byte> slim = new(1 << 16);
    private readonly List<IReadOnlyList<DataChunk>> chunks = [];

    private MessageSlimmer(byte* start) => this.start = start;

    /// <summary>Slims the model at <paramref name="start"/>.</summary>
    /// <exception cref="WireFormatException">The bytes are not a protobuf message.</exception>
    /// <exception cref="NestingTooDeepException">Too many levels.</exception>
    public static SlimModel Slim(byte* start, long length)
    {
        var slimmer = new MessageSlimmer(start);
        slimmer.Copy(MessageKind.Model, 0, length, 1);
        return new SlimModel(slimmer.slim.WrittenMemory, slimmer.chunks);
    }

    private void Copy(MessageKind kind, long from, long end, int depth)
    {
        if (depth > WireSchema.MaxDepth) throw new NestingTooDeepException();
        var reader = new WireReader(start, from, end);
        List<DataChunk>? data = null;
        long copied = from;
        while (reader.Next())
        {
            if (kind == MessageKind.Tensor && WireSchema.IsTensorData(reader.Field) && reader.Type != WireType.StartGroup)
            {
                CopyBytes(copied, reader.TagStart);
                copied = reader.Position;
                Remember(data ??= [], reader);
            }
            else if (reader.Type == WireType.LengthDelimited && WireSchema.Child(kind, reader.Field) is var child and not MessageKind.Other)
            {
                CopyBytes(copied, reader.TagStart);
                copied = reader.Position;
                CopyMessage(child, reader, depth);
            }
            else if (reader.Type == WireType.LengthDelimited && WireSchema.IsName(kind, reader.Field)) RequireText(reader);
        }

        CopyBytes(copied, end);
        if (data is not null) WriteIndex(data);
    }

    /// <summary>Parsing would replace what is not UTF-8, and so change names or make different ones equal.</summary>
    private void RequireText(in WireReader reader)
    {
        if (reader.BodyLength > int.MaxValue || !Utf8.IsValid(new ReadOnlySpan<byte>(start + reader.BodyStart, (int)reader.BodyLength)))
            throw new WireFormatException(reader.BodyStart, "a name is not UTF-8 text");
    }

    private void CopyMessage(MessageKind kind, in WireReader reader, int depth)
    {
        WriteVarint(((ulong)reader.Field << 3) | (ulong)WireType.LengthDelimited);
        int at = slim.WrittenCount;
        slim.GetSpan(PaddedLength);
        slim.Advance(PaddedLength);
        Copy(kind, reader.BodyStart, reader.Position, depth + 1);
        // ArrayBufferWriter gives no writable view of what was written; the array behind it is ours alone.
        System.Runtime.InteropServices.MemoryMarshal.TryGetArray(slim.WrittenMemory, out var written);
        uint length = (uint)(slim.WrittenCount - at - PaddedLength);
        for (int i = 0; i < PaddedLength; i++, length >>= 7)
            written.Array![at + i] = (byte)((length & 0x7F) | (i < PaddedLength - 1 ? 0x80u : 0));
    }

    private static void Remember(List<DataChunk> data, in WireReader reader)
    {
        bool packed = reader.Type == WireType.LengthDelimited;
        if (!packed && data.Count > 0 && data[^1] is { IsPacked: false } last && last.Field == reader.Field && last.Offset + last.Length == reader.TagStart)
            data[^1] = last with { Length = reader.Position - last.Offset };
        else if (packed)
            data.Add(new DataChunk(reader.Field, true, reader.BodyStart, reader.BodyLength));
        else
            data.Add(new DataChunk(reader.Field, false, reader.TagStart, reader.Position - reader.TagStart));
    }

    private void WriteIndex(List<DataChunk> data)
    {
        WriteVarint((WireSchema.RawData << 3) | (ulong)WireType.LengthDelimited);
        WriteVarint(sizeof(int));
        BinaryPrimitives.WriteInt32LittleEndian(slim.GetSpan(sizeof(int)), chunks.Count);
        slim.Advance(sizeof(int));
        chunks.Add(data);
    }

    private void WriteVarint(ulong value)
    {
        var span = slim.GetSpan(10);
        int length = 0;
        for (; value >= 0x80; value >>= 7) span[length++] = (byte)(value | 0x80);
        span[length++] = (byte)value;
        slim.Advance(length);
    }

    private void CopyBytes(long from, long end)
    {
        if (end - from > int.MaxValue - slim.WrittenCount - 64) throw new WireFormatException(from, "more than 2 GiB lie outside of tensors");
        if (end > from) slim.Write(new ReadOnlySpan<byte>(start + from, (int)(end - from)));
    }
}
