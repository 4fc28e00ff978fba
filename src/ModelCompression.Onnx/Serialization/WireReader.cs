using System.Buffers.Binary;

namespace ModelCompression.Onnx.Serialization;

/// <summary>The bytes do not follow the protobuf wire format.</summary>
internal sealed class WireFormatException(long position, string reason) : Exception(reason)
{
    /// <summary>Where it shows, in bytes from the start of the file.</summary>
    public long Position { get; } = position;
}

/// <summary>Walks the fields of one message that lies in memory; lengths are 64 bit and every step is checked against the end.</summary>
internal unsafe ref struct WireReader
{
    private readonly byte* start;
    private readonly long end;

    public WireReader(byte* start, long from, long end)
    {
        this.start = start;
        this.end = end;
        Position = from;
    }

    /// <summary>Next byte to read.</summary>
    public long Position { get; private set; }

    /// <summary>Where the tag of the current field starts.</summary>
    public long TagStart { get; private set; }

    /// <summary>Where the content of the current field starts, its length prefix excluded.</summary>
    public long BodyStart { get; private set; }

    /// <summary>Number of the current field.</summary>
    public int Field { get; private set; }

    /// <summary>Encoding of the current field.</summary>
    public WireType Type { get; private set; }

    /// <summary>Length of the current field's content.</summary>
    public readonly long BodyLength => Position - BodyStart;

    /// <summary>Moves over the next field; false at the end of the message.</summary>
    public bool Next()
    {
        if (Position >= end) return false;
        TagStart = Position;
        ReadTag();
        if (Type == WireType.EndGroup) throw new WireFormatException(TagStart, "a group ends that did not start");
        SkipBody();
        return true;
    }

    /// <summary>Reads a base-128 number.</summary>
    public ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if (Position >= end) throw new WireFormatException(Position, "the data ends inside a number");
            byte next = start[Position++];
            value |= shift < 64 ? (ulong)(next & 0x7F) << shift : 0;
            if (next < 0x80) return value;
        }

        throw new WireFormatException(Position, "a number is longer than 64 bits");
    }

    /// <summary>Reads a little-endian integer at the start of the current field's content.</summary>
    public readonly int BodyAsInt32() => BodyLength == sizeof(int)
        ? BinaryPrimitives.ReadInt32LittleEndian(new ReadOnlySpan<byte>(start + BodyStart, sizeof(int)))
        : throw new InvalidOperationException("A tensor of a slim message lacks its data index.");

    private void ReadTag()
    {
        ulong tag = ReadVarint();
        if (tag > uint.MaxValue || tag >> 3 == 0) throw new WireFormatException(TagStart, "a field number is out of range");
        Field = (int)(tag >> 3);
        Type = (WireType)(tag & 7);
    }

    private void SkipBody()
    {
        BodyStart = Position;
        switch (Type)
        {
            case WireType.Varint:
                ReadVarint();
                break;
            case WireType.Fixed64:
                Skip(8);
                break;
            case WireType.Fixed32:
                Skip(4);
                break;
            case WireType.LengthDelimited:
                ulong length = ReadVarint();
                BodyStart = Position;
                Skip(length);
                break;
            case WireType.StartGroup:
                SkipGroup();
                break;
            default:
                throw new WireFormatException(TagStart, "a field has an unknown encoding");
        }
    }

    private void Skip(ulong length)
    {
        if (length > (ulong)(end - Position)) throw new WireFormatException(TagStart, $"a field of {length} bytes does not fit into the {end - Position} that are left");
        Position += (long)length;
    }

    /// <summary>Groups are never used by ONNX, but may be unknown fields; only nesting that protobuf itself accepts is followed.</summary>
    private void SkipGroup()
    {
        var (tagStart, body, field) = (TagStart, BodyStart, Field);
        Span<int> open = stackalloc int[WireSchema.MaxDepth];
        int depth = 0;
        open[depth++] = field;
        while (depth > 0)
        {
            TagStart = Position;
            ReadTag();
            if (Type == WireType.EndGroup)
            {
                if (Field != open[--depth]) throw new WireFormatException(TagStart, "a group ends that did not start");
            }
            else if (Type == WireType.StartGroup)
            {
                if (depth == open.Length) throw new NestingTooDeepException();
                open[depth++] = Field;
            }
            else SkipBody();
        }

        (TagStart, BodyStart, Field, Type) = (tagStart, body, field, WireType.StartGroup);
    }
}

/// <summary>Messages are nested deeper than protobuf implementations accept.</summary>
internal sealed class NestingTooDeepException() : Exception("too deep");
