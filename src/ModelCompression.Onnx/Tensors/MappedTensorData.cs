using System.Buffers;
using System.Runtime.CompilerServices;

namespace ModelCompression.Onnx.Tensors;

/// <summary>Tensor bytes in a mapped file; any alignment.</summary>
internal sealed unsafe class MappedTensorData(MappedFile file, long offset, long length) : TensorData
{
    public override long ByteLength => length;

    public override ReadOnlySpan<T> AsSpan<T>()
    {
        long count = length / Unsafe.SizeOf<T>();
        if (count > int.MaxValue) throw new NotSupportedException($"A span cannot hold {count} elements.");
        return new ReadOnlySpan<T>(file.Start + offset, (int)count);
    }

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
