using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ModelCompression.Onnx.Tensors;

/// <summary>The bytes of a tensor: little-endian elements in row-major order, opened only when asked for.</summary>
public abstract class TensorData
{
    /// <summary>Number of bytes; known without opening them.</summary>
    public abstract long ByteLength { get; }

    /// <summary>
    /// Views the bytes as elements of <typeparamref name="T"/> without copying. Valid while the owning <see cref="Graph.Model"/> is not disposed.
    /// </summary>
    /// <exception cref="NotSupportedException">More than <see cref="int.MaxValue"/> elements.</exception>
    public ReadOnlySpan<T> AsSpan<T>() where T : unmanaged
    {
        long count = ByteLength / Unsafe.SizeOf<T>();
        if (count > int.MaxValue) throw new NotSupportedException($"A span cannot hold {count} elements.");
        return MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<byte, T>(ref Unsafe.AsRef(in First)), (int)count);
    }

    /// <summary>The first byte; all others follow it in memory. Any alignment.</summary>
    protected abstract ref readonly byte First { get; }

    /// <summary>Views the bytes as memory blocks of at most 1 GiB, in order, without copying.</summary>
    public abstract IEnumerable<ReadOnlyMemory<byte>> Blocks();

    /// <summary>File in which the bytes lie and where they begin in it; null when they are in memory.</summary>
    internal virtual (string Path, long Offset)? Place => null;

    /// <summary>True when the bytes lie in a mapped file: looking at them later costs no memory meanwhile.</summary>
    public bool IsMapped => Place is not null;

    /// <summary>Writes the bytes to a stream.</summary>
    internal virtual void WriteTo(Stream stream, CancellationToken cancellation)
    {
        foreach (var block in Blocks())
        {
            cancellation.ThrowIfCancellationRequested();
            stream.Write(block.Span);
        }
    }

    /// <summary>
    /// Tells that the bytes will not be needed for a while: pages of a mapped file stop counting as memory of this process. They may be read again at any time.
    /// </summary>
    public virtual void ReleasePages()
    {
    }

    /// <summary>Gives up the bytes for good where their memory has another use: looking at them afterwards fails.</summary>
    public virtual void Discard()
    {
    }

    /// <summary>Wraps an array without copying; it must not be changed afterwards.</summary>
    public static TensorData FromArray<T>(T[] array) where T : unmanaged => new ArrayTensorData(array, Unsafe.SizeOf<T>());

    /// <summary><see cref="Blocks"/> of bytes that are one block of memory.</summary>
    protected static IEnumerable<ReadOnlyMemory<byte>> BlocksOf(ReadOnlyMemory<byte> memory)
    {
        for (int at = 0; at < memory.Length; at += MaxBlockByteLength) yield return memory.Slice(at, Math.Min(MaxBlockByteLength, memory.Length - at));
    }

    /// <summary>Largest block <see cref="Blocks"/> gives.</summary>
    protected const int MaxBlockByteLength = 1 << 30;
}

/// <summary>Tensor bytes held in a managed array. Not generic: virtual methods of a class per element type would all be left to the JIT.</summary>
/// <param name="array">Elements without references.</param>
/// <param name="elementByteLength">Bytes of one.</param>
internal sealed class ArrayTensorData(Array array, int elementByteLength) : TensorData
{
    public override long ByteLength => (long)array.Length * elementByteLength;

    protected override ref readonly byte First => ref MemoryMarshal.GetArrayDataReference(array);

    public override IEnumerable<ReadOnlyMemory<byte>> Blocks()
    {
        for (long at = 0; at < ByteLength; at += MaxBlockByteLength)
            yield return new ArrayMemoryManager(array, at, (int)Math.Min(MaxBlockByteLength, ByteLength - at)).Memory;
    }
}

/// <summary>Presents part of an array of any unmanaged element type as bytes.</summary>
internal sealed class ArrayMemoryManager(Array array, long offset, int length) : MemoryManager<byte>
{
    public override Span<byte> GetSpan() =>
        MemoryMarshal.CreateSpan(ref Unsafe.AddByteOffset(ref MemoryMarshal.GetArrayDataReference(array), (nint)offset), length);

    public override unsafe MemoryHandle Pin(int elementIndex = 0)
    {
        var handle = GCHandle.Alloc(array, GCHandleType.Pinned);
        return new MemoryHandle((byte*)handle.AddrOfPinnedObject() + offset + elementIndex, handle, this);
    }

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
