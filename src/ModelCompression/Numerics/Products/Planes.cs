using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace ModelCompression.Numerics.Products;

/// <summary>Turns planes, one per channel, into pixels with their channels side by side.</summary>
internal static class Planes
{
    private const int Tile = 4;

    /// <summary>Channels of most images.</summary>
    private const int Colours = 3;

    /// <summary>Binary32 elements in a cache line.</summary>
    private const int Line = 16;

    /// <summary>Elements [channel, position] to [position, channel].</summary>
    /// <param name="source">Planes.</param>
    /// <param name="sourceStride">Elements from a plane to the next.</param>
    /// <param name="channels">Planes to take.</param>
    /// <param name="count">Positions to take of each.</param>
    /// <param name="target">Pixels.</param>
    /// <param name="targetStride">Elements from a pixel to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToPixels(ReadOnlySpan<float> source, int sourceStride, int channels, int count, Span<float> target, int targetStride)
    {
        if (channels == 0 || count == 0) return;
        // The last elements, so that what follows stays inside.
        _ = (source[((channels - 1) * sourceStride) + count - 1], target[((count - 1) * targetStride) + channels - 1]);
        ref float from = ref MemoryMarshal.GetReference(source), to = ref MemoryMarshal.GetReference(target);
        if (channels == Colours)
        {
            ref float green = ref Unsafe.Add(ref from, sourceStride), blue = ref Unsafe.Add(ref from, 2 * sourceStride);
            for (nint i = 0; i < count; i++)
            {
                (to, Unsafe.Add(ref to, 1), Unsafe.Add(ref to, 2)) = (Unsafe.Add(ref from, i), Unsafe.Add(ref green, i), Unsafe.Add(ref blue, i));
                to = ref Unsafe.Add(ref to, targetStride);
            }

            return;
        }

        int tiled = Sse.IsSupported ? channels / Tile * Tile : 0, whole = count / Tile * Tile;
        // A cache line of each plane at a time.
        for (int first = 0; first < whole; first += Line)
            for (int c = 0; c < tiled; c += Tile)
                for (int i = first; i < Math.Min(first + Line, whole); i += Tile)
                    TransposeTile(ref Unsafe.Add(ref from, (c * sourceStride) + i), sourceStride, ref Unsafe.Add(ref to, (i * targetStride) + c), targetStride);
        for (int c = 0; c < channels; c++)
            for (int i = c < tiled ? whole : 0; i < count; i++) Unsafe.Add(ref to, (i * targetStride) + c) = Unsafe.Add(ref from, (c * sourceStride) + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeTile(ref float source, int sourceStride, ref float target, int targetStride)
    {
        var a = Vector128.LoadUnsafe(ref source);
        var b = Vector128.LoadUnsafe(ref Unsafe.Add(ref source, sourceStride));
        var c = Vector128.LoadUnsafe(ref Unsafe.Add(ref source, 2 * sourceStride));
        var d = Vector128.LoadUnsafe(ref Unsafe.Add(ref source, 3 * sourceStride));
        var (ab, cd) = (Sse.UnpackLow(a, b), Sse.UnpackLow(c, d));
        Sse.MoveLowToHigh(ab, cd).StoreUnsafe(ref target);
        Sse.MoveHighToLow(cd, ab).StoreUnsafe(ref Unsafe.Add(ref target, targetStride));
        (ab, cd) = (Sse.UnpackHigh(a, b), Sse.UnpackHigh(c, d));
        Sse.MoveLowToHigh(ab, cd).StoreUnsafe(ref Unsafe.Add(ref target, 2 * targetStride));
        Sse.MoveHighToLow(cd, ab).StoreUnsafe(ref Unsafe.Add(ref target, 3 * targetStride));
    }
}
