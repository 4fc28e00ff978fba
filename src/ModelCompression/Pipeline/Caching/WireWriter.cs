using System.Text;

namespace ModelCompression.Pipeline.Caching;

/// <summary>Writes the few protobuf fields a cache entry has; the generated code for one message would bring in a schema of hundreds.</summary>
internal sealed class WireWriter
{
    private const int VarintType = 0, LengthDelimitedType = 2;

    private readonly List<byte> bytes = [];

    /// <summary>Appends a text field.</summary>
    public WireWriter Text(int field, string text) => Bytes(field, Encoding.UTF8.GetBytes(text));

    /// <summary>Appends a field of bytes or a message.</summary>
    public WireWriter Bytes(int field, byte[] content)
    {
        Varint(((ulong)field << 3) | LengthDelimitedType);
        Varint((ulong)content.Length);
        bytes.AddRange(content);
        return this;
    }

    /// <summary>Appends a whole number ≥ 0.</summary>
    public WireWriter Number(int field, long value)
    {
        Varint(((ulong)field << 3) | VarintType);
        Varint((ulong)value);
        return this;
    }

    /// <summary>What was written.</summary>
    public byte[] ToArray() => [.. bytes];

    private void Varint(ulong value)
    {
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
    }
}

/// <summary>Walks over the fields of a protobuf message.</summary>
internal ref struct WireSpan(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> rest = message;

    /// <summary>Number of the current field.</summary>
    public int Field { get; private set; }

    /// <summary>Content of the current field when it is a text, bytes or a message; otherwise empty.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>Value of the current field when it is a number; otherwise 0.</summary>
    public long Number { get; private set; }

    /// <summary>Goes to the next field; false at the end.</summary>
    /// <exception cref="FormatException">The bytes are no message.</exception>
    public bool Next()
    {
        if (rest.IsEmpty) return false;
        ulong tag = Varint();
        Field = (int)(tag >> 3);
        Bytes = [];
        Number = 0;
        switch (tag & 7)
        {
            case 0: Number = (long)Varint(); break;
            case 1: Take(8); break;
            case 2: Bytes = Take(Varint()); break;
            case 5: Take(4); break;
            default: throw new FormatException("A field has an unknown type.");
        }

        return true;
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)rest.Length) throw new FormatException("A field is longer than the message.");
        var taken = rest[..(int)length];
        rest = rest[(int)length..];
        return taken;
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int i = 0; i < 10 && i < rest.Length; i++)
        {
            value |= (ulong)(rest[i] & 0x7f) << (7 * i);
            if (rest[i] >= 0x80) continue;
            rest = rest[(i + 1)..];
            return value;
        }

        throw new FormatException("A number does not end.");
    }
}
