using System.Runtime.InteropServices;

namespace ModelCompression.Onnx.Tensors;

/// <summary>Tensor bytes whose memory serves another purpose once they are discarded (<see cref="RecycledMemory"/>).</summary>
public sealed class RecycledTensorData : TensorData
{
    private readonly int length;
    private readonly RecycledMemory owner;
    private readonly MemoryRegion? region;
    private Memory<byte> memory;
    private int isDiscarded;

    /// <summary>Wraps a block.</summary>
    /// <param name="owner">Who gets the region back.</param>
    /// <param name="region">Whose block it is; null for memory that nobody else can use.</param>
    /// <param name="memory">The block.</param>
    internal RecycledTensorData(RecycledMemory owner, MemoryRegion? region, Memory<byte> memory)
    {
        this.owner = owner;
        this.region = region;
        this.memory = memory;
        length = memory.Length;
    }

    /// <inheritdoc/>
    public override long ByteLength => length;

    /// <summary>The bytes, to be filled before anybody reads them.</summary>
    /// <exception cref="ObjectDisposedException">They have been discarded.</exception>
    public Memory<byte> Memory
    {
        get
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref isDiscarded) != 0, this);
            return memory;
        }
    }

    /// <inheritdoc/>
    protected override ref readonly byte First => ref MemoryMarshal.GetReference(Memory.Span);

    /// <inheritdoc/>
    public override IEnumerable<ReadOnlyMemory<byte>> Blocks() => BlocksOf(Memory);

    /// <inheritdoc/>
    public override void Discard()
    {
        if (Interlocked.Exchange(ref isDiscarded, 1) != 0) return;
        memory = default;
        if (region is not null) owner.Discard(region);
    }
}
