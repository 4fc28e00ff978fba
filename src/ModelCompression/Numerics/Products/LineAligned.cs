using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

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
        storage = Zeros(checked(length + Line - 1), pinned: true);
        nint address = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(storage));
        start = (int)(-address & ((Line * sizeof(float)) - 1)) / sizeof(float);
        Length = length;
    }

    /// <summary>Zeros that were written: memory that is fresh from the system and read before it is written takes two faults per page, the second of which interrupts the other processors.</summary>
    public static float[] Zeros(int length, bool pinned = false)
    {
        float[] array = GC.AllocateUninitializedArray<float>(length, pinned);
        Array.Clear(array);
        return array;
    }

    /// <summary>Asks for the cache lines of numbers that are needed soon; does nothing where the processor cannot be asked.</summary>
    /// <param name="first">The first number, the start of a line.</param>
    /// <param name="length">How many.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Prefetch(ref float first, int length)
    {
        if (!Sse.IsSupported) return;
        for (int i = 0; i < length; i += Line) Sse.Prefetch0(Unsafe.AsPointer(ref Unsafe.Add(ref first, i)));
    }

    /// <summary>How many.</summary>
    public int Length { get; }

    /// <summary>The numbers.</summary>
    public Span<float> Span => storage.AsSpan(start, Length);
}
