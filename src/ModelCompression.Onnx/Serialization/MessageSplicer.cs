using System.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization;

/// <summary>
/// The inverse of <see cref="MessageSlimmer"/>: writes a serialized model whose tensors hold the index of their data, with the data in place of
/// the index. The data goes block by block from where it lies to the stream; nothing of the size of a tensor is held in between.
/// </summary>
internal sealed unsafe class MessageSplicer
{
    private readonly byte[] slim;
    private readonly IReadOnlyList<TensorData> data;
    private readonly List<long> lengths = [];

    /// <summary>Measures the message.</summary>
    public MessageSplicer(byte[] slim, IReadOnlyList<TensorData> data)
    {
        this.slim = slim;
        this.data = data;
        fixed (byte* start = slim) ByteLength = Measure(start, MessageKind.Model, 0, slim.Length);
    }

    /// <summary>Bytes of the whole message.</summary>
    public long ByteLength { get; }

    /// <summary>Writes the message.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="cancellation">Stops between blocks.</param>
    /// <param name="passed">Is told each tensor that has been written.</param>
    public void WriteTo(Stream stream, CancellationToken cancellation, Action<TensorData>? passed = null)
    {
        int next = 1;
        fixed (byte* start = slim) Write(start, MessageKind.Model, 0, slim.Length, ref next, stream, passed, cancellation);
    }

    /// <summary>Fills <see cref="lengths"/> with the length of every message that has to be rewritten, parents before children.</summary>
    private long Measure(byte* start, MessageKind kind, long from, long end)
    {
        int slot = lengths.Count;
        lengths.Add(0);
        long total = 0;
        var reader = new WireReader(start, from, end);
        while (reader.Next())
        {
            if (IsDataIndex(kind, reader))
                total += Prefixed(reader.Field, data[reader.BodyAsInt32()].ByteLength);
            else if (ChildOf(kind, reader) is var child and not MessageKind.Other)
                total += Prefixed(reader.Field, Measure(start, child, reader.BodyStart, reader.Position));
            else
                total += reader.Position - reader.TagStart;
        }

        return lengths[slot] = total;
    }

    private void Write(byte* start, MessageKind kind, long from, long end, ref int next, Stream stream, Action<TensorData>? passed, CancellationToken cancellation)
    {
        var reader = new WireReader(start, from, end);
        long written = from;
        while (reader.Next())
        {
            bool isIndex = IsDataIndex(kind, reader);
            var child = isIndex ? MessageKind.Other : ChildOf(kind, reader);
            if (!isIndex && child == MessageKind.Other) continue;
            stream.Write(new ReadOnlySpan<byte>(start + written, (int)(reader.TagStart - written)));
            written = reader.Position;
            WriteVarint(stream, Tag(reader.Field));
            if (isIndex)
            {
                var tensor = data[reader.BodyAsInt32()];
                WriteData(tensor, stream, cancellation);
                passed?.Invoke(tensor);
                continue;
            }

            WriteVarint(stream, (ulong)lengths[next++]);
            Write(start, child, reader.BodyStart, reader.Position, ref next, stream, passed, cancellation);
        }

        stream.Write(new ReadOnlySpan<byte>(start + written, (int)(end - written)));
    }

    private static void WriteData(TensorData tensorData, Stream stream, CancellationToken cancellation)
    {
        WriteVarint(stream, (ulong)tensorData.ByteLength);
        tensorData.WriteTo(stream, cancellation);
    }

    private static bool IsDataIndex(MessageKind kind, in WireReader reader) => kind == MessageKind.Tensor && reader.Field == WireSchema.RawData;

    private static MessageKind ChildOf(MessageKind kind, in WireReader reader) =>
        reader.Type == WireType.LengthDelimited ? WireSchema.Child(kind, reader.Field) : MessageKind.Other;

    private static ulong Tag(int field) => ((ulong)field << 3) | (ulong)WireType.LengthDelimited;

    private static long Prefixed(int field, long length) => VarintLength(Tag(field)) + VarintLength((ulong)length) + length;

    private static int VarintLength(ulong value) => 1 + (BitOperations.Log2(value | 1) / 7);

    private static void WriteVarint(Stream stream, ulong value)
    {
        Span<byte> bytes = stackalloc byte[10];
        int length = 0;
        for (; value >= 0x80; value >>= 7) bytes[length++] = (byte)(value | 0x80);
        bytes[length++] = (byte)value;
        stream.Write(bytes[..length]);
    }
}
