using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ModelCompression.Numerics.Products;

/// <summary>Binary32 numbers, zeros at first, from the start of a cache line on: vectors of a line's length that reach over two lines cost several times as much to write.</summary>
internal readonly struct LineAligned
{
    /// <summary>Numbers in a cache line.</summary>
    public const int Line = 16;

    private readonly float[]? storage;
    private readonly int start;

    /// <summary>Makes room.</summary>
    public unsafe LineAligned(int length)
    {
        // Pinned, so that it stays where it is.
        storage = GC.AllocateArray<float>(checked(length + Line - 1), pinned: true);
        nint address = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(storage));
        start = (int)(-address & ((Line * sizeof(float)) - 1)) / sizeof(float);
        Length = length;
    }

    /// <summary>How many.</summary>
    public int Length { get; }

    /// <summary>The numbers.</summary>
    public Span<float> Span => storage.AsSpan(start, Length);
}
