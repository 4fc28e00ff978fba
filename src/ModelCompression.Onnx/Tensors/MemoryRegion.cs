using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ModelCompression.Onnx.Tensors;

/// <summary>A pinned array from which blocks are taken in order; when all have been given back it starts again. Not for several threads at once.</summary>
internal sealed unsafe class MemoryRegion
{
    private const int Alignment = 64;

    private readonly byte[] array;
    private readonly int offset;
    private int used;
    private int blocks;

    /// <summary>Makes one whose content is arbitrary.</summary>
    /// <param name="length">Bytes.</param>
    public MemoryRegion(int length)
    {
        Length = length;
        array = GC.AllocateUninitializedArray<byte>(checked(length + Alignment), pinned: true);
        nint address = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array));
        offset = (int)(-address & (Alignment - 1));
        Start = address + offset;
    }

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <summary>Address of the first byte, a multiple of 64.</summary>
    public nint Start { get; }

    /// <summary>True while a block has not been given back.</summary>
    public bool IsInUse => blocks > 0;

    /// <summary>True for an address within.</summary>
    public bool Contains(nint address) => address >= Start && address - Start < Length;

    /// <summary>Offset of a new block, a multiple of 64; null when there is no room for it.</summary>
    public int? TryTake(int length)
    {
        if (length > Length - used) return null;
        int start = used;
        used = (int)Math.Min(Length, start + (((long)length + Alignment - 1) & -Alignment));
        blocks++;
        return start;
    }

    /// <summary>Ends the use of a block.</summary>
    public void GiveBack()
    {
        if (--blocks == 0) used = 0;
    }

    /// <summary>The bytes of a block.</summary>
    public Memory<byte> Slice(int start, int length) => array.AsMemory(offset + start, length);
}
