using System.Buffers;

namespace ModelCompression.Onnx.Tensors;

/// <summary>Tensor bytes in a mapped file; any alignment.</summary>
internal sealed unsafe class MappedTensorData(MappedFile file, long offset, long length) : TensorData
{
    private const int CopyByteLength = 1 << 20;

    public override long ByteLength => length;

    internal override (string Path, long Offset)? Place => (file.Path, offset);

    protected override ref readonly byte First => ref *(file.Start + offset);

    /// <remarks>
    /// Reads the file instead of the mapping: a write straight from pages that nobody has touched yet makes the kernel fetch them one by one,
    /// which takes four times as long, and read pages do not count as memory of this process.
    /// </remarks>
    internal override void WriteTo(Stream stream, CancellationToken cancellation)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(length, CopyByteLength));
        try
        {
            for (long at = 0; at < length;)
            {
                cancellation.ThrowIfCancellationRequested();
                int count = RandomAccess.Read(file.Handle, buffer.AsSpan(0, (int)Math.Min(length - at, buffer.Length)), offset + at);
                if (count == 0) throw new EndOfStreamException("A file that the model is read from has become shorter meanwhile.");
                stream.Write(buffer, 0, count);
                at += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public override void ReleasePages() => file.ReleasePages(offset, length);

    public override IEnumerable<ReadOnlyMemory<byte>> Blocks()
    {
        for (long at = 0; at < length; at += MaxBlockByteLength)
            yield return new MappedMemoryManager(file, offset + at, (int)Math.Min(MaxBlockByteLength, length - at)).Memory;
    }
}

/// <summary>Presents part of a mapped file as memory.</summary>
internal sealed unsafe class MappedMemoryManager(MappedFile file, long offset, int length) : MemoryManager<byte>
{
    public override Span<byte> GetSpan() => new(file.Start + offset, length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(file.Start + offset + elementIndex);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
