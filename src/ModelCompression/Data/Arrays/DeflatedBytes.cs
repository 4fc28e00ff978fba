using System.IO.Compression;
using System.IO.Hashing;
using Microsoft.Win32.SafeHandles;

namespace ModelCompression.Data.Arrays;

/// <summary>
/// A deflated ZIP entry. A small one is inflated into memory at the first read. A big one is inflated as it is read from front to back; the first
/// step back spools it into a temporary file, which disappears with this object.
/// </summary>
internal sealed class DeflatedBytes(DataFile file, ZipEntry entry) : ArrayBytes
{
    private const long MaxMemoryByteLength = 32 << 20;

    private readonly Lock gate = new();
    private byte[]? memory;
    private SafeFileHandle? spool;
    private Stream? stream;
    private long position;
    private readonly Crc32 crc = new();

    public override long Length => entry.Length;

    public override void Read(long offset, Span<byte> destination)
    {
        if (offset < 0 || offset + destination.Length > Length) throw DataError.Damaged(file.Path, $"the array '{entry.Name}' ends before its last element");
        lock (gate)
        {
            if (Length <= MaxMemoryByteLength) InMemory().AsSpan((int)offset, destination.Length).CopyTo(destination);
            else if (spool is not null || (stream is not null && offset < position)) ReadSpooled(offset, destination);
            else ReadForward(offset, destination);
        }
    }

    public override void Dispose()
    {
        stream?.Dispose();
        spool?.Dispose();
        base.Dispose();
    }

    private byte[] InMemory()
    {
        if (memory is not null) return memory;
        var all = new byte[Length];
        Restart();
        Inflate(all);
        return memory = all;
    }

    private void ReadForward(long offset, Span<byte> destination)
    {
        if (stream is null) Restart();
        Span<byte> skipped = stackalloc byte[4096];
        while (position < offset) Inflate(skipped[..(int)Math.Min(skipped.Length, offset - position)]);
        Inflate(destination);
    }

    private void ReadSpooled(long offset, Span<byte> destination)
    {
        spool ??= Spool();
        for (int done = 0; done < destination.Length;)
        {
            int count = RandomAccess.Read(spool, destination[done..], offset + done);
            if (count == 0) throw DataError.Damaged(file.Path, $"the temporary copy of '{entry.Name}' is cut short");
            done += count;
        }
    }

    private SafeFileHandle Spool()
    {
        var handle = File.OpenHandle(Path.GetTempFileName(), FileMode.Create, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
        Restart();
        var buffer = new byte[1 << 16];
        while (position < Length)
        {
            long at = position;
            int count = (int)Math.Min(buffer.Length, Length - at);
            Inflate(buffer.AsSpan(0, count));
            RandomAccess.Write(handle, buffer.AsSpan(0, count), at);
        }

        return handle;
    }

    private void Restart()
    {
        stream?.Dispose();
        stream = new DeflateStream(file.OpenStream(entry.DataOffset, entry.CompressedLength), CompressionMode.Decompress);
        position = 0;
        crc.Reset();
    }

    private void Inflate(Span<byte> destination)
    {
        try
        {
            stream!.ReadExactly(destination);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw DataError.Damaged(file.Path, $"the compressed array '{entry.Name}' is damaged or cut short", e);
        }

        position += destination.Length;
        crc.Append(destination);
        if (position == Length) entry.CheckSum(crc, file.Path);
    }
}
