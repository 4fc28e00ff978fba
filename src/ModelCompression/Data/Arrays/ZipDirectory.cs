using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace ModelCompression.Data.Arrays;

/// <summary>An entry of a ZIP file.</summary>
/// <param name="Name">Name with forward slashes.</param>
/// <param name="Method">0 stored, 8 deflated.</param>
/// <param name="Crc">CRC-32 of the content.</param>
/// <param name="DataOffset">Where its bytes start in the file.</param>
/// <param name="CompressedLength">Bytes in the file.</param>
/// <param name="Length">Bytes of the content.</param>
internal sealed record ZipEntry(string Name, int Method, uint Crc, long DataOffset, long CompressedLength, long Length)
{
    /// <summary>Compares the check sum of the content with the file's.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3003: they differ.</exception>
    public void CheckSum(Crc32 content, string path)
    {
        if (content.GetCurrentHashAsUInt32() != Crc) throw DataError.Damaged(path, $"the check sum of '{Name}' is wrong");
    }
}

/// <summary>
/// Reads the directory of a ZIP file (APPNOTE 6.3: ZIP64, data descriptors). The framework's reader hides where entries lie, and that is what reading
/// single samples out of a big array needs.
/// </summary>
internal static class ZipDirectory
{
    private const uint EndSignature = 0x06054B50, End64Signature = 0x06064B50, Locator64Signature = 0x07064B50, EntrySignature = 0x02014B50, LocalSignature = 0x04034B50;
    private const int EndLength = 22, LocatorLength = 20, End64Length = 56, EntryLength = 46, LocalLength = 30;
    private const int MaxDirectoryLength = 64 << 20;

    /// <summary>Lists the entries.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3003: no ZIP file, damaged, cut short, encrypted, or in an unknown compression.</exception>
    public static IReadOnlyList<ZipEntry> Read(DataFile file)
    {
        var (offset, length, count) = FindDirectory(file);
        if (length is < 0 or > MaxDirectoryLength || offset < 0 || offset + length > file.Length || count > length / EntryLength) throw Damaged(file);
        var directory = new byte[length];
        file.Read(offset, directory);
        var entries = new List<ZipEntry>();
        int at = 0;
        for (long i = 0; i < count; i++)
        {
            if (at + EntryLength > directory.Length || U32(directory, at) != EntrySignature) throw Damaged(file);
            int next = at + EntryLength + U16(directory, at + 28) + U16(directory, at + 30) + U16(directory, at + 32);
            if (next > directory.Length) throw Damaged(file);
            entries.Add(ReadEntry(file, directory.AsSpan(at, next - at)));
            at = next;
        }

        return entries;
    }

    private static (long Offset, long Length, long Count) FindDirectory(DataFile file)
    {
        int tailLength = (int)Math.Min(file.Length, EndLength + ushort.MaxValue + LocatorLength);
        var tail = new byte[tailLength];
        file.Read(file.Length - tailLength, tail);
        for (int at = tailLength - EndLength; at >= 0; at--)
        {
            if (U32(tail, at) != EndSignature || at + EndLength + U16(tail, at + 20) > tailLength) continue;
            if (at >= LocatorLength && U32(tail, at - LocatorLength) == Locator64Signature) return FindDirectory64(file, (long)U64(tail, at - LocatorLength + 8));
            return (U32(tail, at + 16), U32(tail, at + 12), U16(tail, at + 10));
        }

        throw DataError.Damaged(file.Path, "it is no ZIP file or is cut short (its directory at the end is missing)");
    }

    private static (long Offset, long Length, long Count) FindDirectory64(DataFile file, long offset)
    {
        if (offset < 0 || offset > file.Length - End64Length) throw Damaged(file);
        var end = new byte[End64Length];
        file.Read(offset, end);
        if (U32(end, 0) != End64Signature) throw Damaged(file);
        return ((long)U64(end, 48), (long)U64(end, 40), (long)U64(end, 32));
    }

    private static ZipEntry ReadEntry(DataFile file, ReadOnlySpan<byte> entry)
    {
        int flags = U16(entry, 8), method = U16(entry, 10), nameLength = U16(entry, 28), extraLength = U16(entry, 30);
        string name = Encoding.UTF8.GetString(entry.Slice(EntryLength, nameLength)).Replace('\\', '/');
        if ((flags & 1) != 0) throw DataError.Damaged(file.Path, $"'{name}' is encrypted");
        if (method is not (0 or 8)) throw DataError.Damaged(file.Path, FormattableString.Invariant($"'{name}' is packed by method {method}; numpy writes stored (0) and deflated (8) arrays"));
        long length = U32(entry, 24), compressed = U32(entry, 20), local = U32(entry, 42);
        ReadExtra64(entry.Slice(EntryLength + nameLength, extraLength), ref length, ref compressed, ref local);
        if (length < 0 || compressed < 0 || local < 0 || local > file.Length - LocalLength) throw Damaged(file);

        var header = new byte[LocalLength];
        file.Read(local, header);
        if (U32(header, 0) != LocalSignature) throw Damaged(file);
        long data = local + LocalLength + U16(header, 26) + U16(header, 28);
        if (compressed > file.Length - data || (method == 0 && compressed != length)) throw DataError.Damaged(file.Path, $"the array '{name}' is cut short");
        return new ZipEntry(name, method, U32(entry, 16), data, compressed, length);
    }

    /// <summary>Values that do not fit 32 bits stand in extra field 1, in this order and only when the short field is all ones.</summary>
    private static void ReadExtra64(ReadOnlySpan<byte> extra, ref long length, ref long compressed, ref long local)
    {
        while (extra.Length >= 4)
        {
            int size = Math.Min(U16(extra, 2), extra.Length - 4);
            if (U16(extra, 0) == 1)
            {
                var values = extra.Slice(4, size);
                Take(ref length, ref values);
                Take(ref compressed, ref values);
                Take(ref local, ref values);
                return;
            }

            extra = extra[(4 + size)..];
        }
    }

    private static void Take(ref long value, ref ReadOnlySpan<byte> values)
    {
        if (value != uint.MaxValue || values.Length < 8) return;
        value = BinaryPrimitives.ReadInt64LittleEndian(values);
        values = values[8..];
    }

    private static Onnx.Diagnostics.DiagnosticException Damaged(DataFile file) => DataError.Damaged(file.Path, "its ZIP directory is damaged");

    private static int U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
}
