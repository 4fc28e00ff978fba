using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization.Reading;

/// <summary>Turns the typed element lists of <c>TensorProto</c> into little-endian elements as <c>raw_data</c> has them.</summary>
internal static unsafe class TypedData
{
    /// <summary>The elements, or null when the lists do not hold exactly <paramref name="byteLength"/> bytes of them.</summary>
    /// <param name="source">Where the chunks lie.</param>
    /// <param name="chunks">Element chunks of one tensor.</param>
    /// <param name="type">Element type, which says which list counts; other lists are ignored.</param>
    /// <param name="byteLength">Bytes the elements should take.</param>
    /// <param name="found">Bytes the lists hold.</param>
    public static TensorData? Read(ByteSource source, IReadOnlyList<DataChunk> chunks, DataType type, long byteLength, out long found)
    {
        int field = FieldOf(type);
        var own = chunks.Where(c => c.Field == field).ToList();
        bool isFixed = field is WireSchema.FloatData or WireSchema.DoubleData;
        if (own is [{ IsPacked: true } only] && isFixed)
        {
            // A packed list of fixed-width numbers is byte for byte what raw_data would be.
            found = only.Length;
            return found == byteLength ? source.Slice(only.Offset, only.Length) : null;
        }

        int width = isFixed ? (field == WireSchema.FloatData ? 4 : 8) : Math.Max(1, type.BitWidth() / 8);
        found = 0;
        foreach (var chunk in own) found += CountEntries(source.Start, chunk, isFixed, width) * width;
        if (found != byteLength || byteLength > Array.MaxLength) return null;
        byte[] elements = new byte[byteLength];
        int at = 0;
        foreach (var chunk in own) at += Decode(source.Start, chunk, isFixed, width, elements.AsSpan(at));
        return at == elements.Length ? TensorData.FromArray(elements) : null;
    }

    private static int FieldOf(DataType type) => type switch
    {
        DataType.Float or DataType.Complex64 => WireSchema.FloatData,
        DataType.Double or DataType.Complex128 => WireSchema.DoubleData,
        DataType.Int64 => WireSchema.Int64Data,
        DataType.UInt32 or DataType.UInt64 => WireSchema.UInt64Data,
        _ => WireSchema.Int32Data,
    };

    private static long CountEntries(byte* start, DataChunk chunk, bool isFixed, int width)
    {
        if (chunk.IsPacked && isFixed) return chunk.Length % width == 0 ? chunk.Length / width : -1;
        long count = 0;
        if (chunk.IsPacked)
        {
            // Every varint ends with the one byte whose high bit is clear.
            var bytes = start + chunk.Offset;
            for (long i = 0; i < chunk.Length; i++) count += bytes[i] < 0x80 ? 1 : 0;
            return count;
        }

        var reader = new WireReader(start, chunk.Offset, chunk.Offset + chunk.Length);
        while (reader.Next()) count++;
        return count;
    }

    private static int Decode(byte* start, DataChunk chunk, bool isFixed, int width, Span<byte> target)
    {
        int at = 0;
        var reader = new WireReader(start, chunk.Offset, chunk.Offset + chunk.Length);
        if (chunk.IsPacked && isFixed)
        {
            new ReadOnlySpan<byte>(start + chunk.Offset, (int)chunk.Length).CopyTo(target);
            return (int)chunk.Length;
        }

        if (chunk.IsPacked)
        {
            for (; reader.Position < chunk.Offset + chunk.Length; at += width) Store(reader.ReadVarint(), target.Slice(at, width));
            return at;
        }

        for (; reader.Next(); at += width)
        {
            if (isFixed)
            {
                if (reader.BodyLength != width) throw new WireFormatException(reader.TagStart, "an element of a tensor has the wrong encoding");
                new ReadOnlySpan<byte>(start + reader.BodyStart, width).CopyTo(target[at..]);
                continue;
            }

            if (reader.Type != WireType.Varint) throw new WireFormatException(reader.TagStart, "an element of a tensor has the wrong encoding");
            var element = new WireReader(start, reader.BodyStart, reader.Position);
            Store(element.ReadVarint(), target.Slice(at, width));
        }

        return at;
    }

    private static void Store(ulong value, Span<byte> target)
    {
        for (int i = 0; i < target.Length; i++, value >>= 8) target[i] = (byte)value;
    }
}
