using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Adds XᵀX of a block of rows to a symmetric matrix.</summary>
/// <remarks>Every element is one chain of fused multiply-adds in row order, so the result depends neither on threads nor on the width of the processor's vectors.</remarks>
internal static class GramKernel
{
    /// <summary>Most rows in one call: they stay in the cache, and sums of few products lose little precision.</summary>
    public const int BlockRows = 256;

    private const int Tile = 4;
    private const long ParallelWork = 1 << 22;

    /// <summary>G += XᵀX.</summary>
    /// <param name="rows">X, row-major.</param>
    /// <param name="count">Number of rows, at most <see cref="BlockRows"/>.</param>
    /// <param name="width">K.</param>
    /// <param name="gram">G, K·K, symmetric.</param>
    public static void Add(float[] rows, int count, int width, float[] gram)
    {
        int tiles = (width + Tile - 1) / Tile;
        if ((long)count * width * width < ParallelWork)
            for (int t = 0; t < tiles; t++) AddTile(rows, count, width, gram, t * Tile);
        else Parallel.For(0, tiles, t => AddTile(rows, count, width, gram, t * Tile));
        for (int i = 0; i < width; i++)
            for (int j = i + 1; j < width; j++) gram[(j * width) + i] = gram[(i * width) + j];
    }

    /// <summary>Rows i … i+3 of G from column i on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddTile(float[] rows, int count, int width, float[] gram, int i)
    {
        int j = i;
        if (i + Tile <= width)
            for (; j <= width - Vector256<float>.Count; j += Vector256<float>.Count) AddVectors(rows, count, width, gram, i, j);
        for (int a = i; a < Math.Min(i + Tile, width); a++)
            for (int b = j; b < width; b++)
            {
                float sum = 0;
                for (int r = 0; r < count; r++) sum = MathF.FusedMultiplyAdd(rows[(r * width) + a], rows[(r * width) + b], sum);
                gram[(a * width) + b] += sum;
            }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddVectors(float[] rows, int count, int width, float[] gram, int i, int j)
    {
        ref float x = ref MemoryMarshal.GetArrayDataReference(rows);
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        for (int r = 0; r < count; r++)
        {
            ref float row = ref Unsafe.Add(ref x, r * width);
            var v = Vector256.LoadUnsafe(ref row, (nuint)j);
            s0 = Vector256.FusedMultiplyAdd(Vector256.Create(Unsafe.Add(ref row, i)), v, s0);
            s1 = Vector256.FusedMultiplyAdd(Vector256.Create(Unsafe.Add(ref row, i + 1)), v, s1);
            s2 = Vector256.FusedMultiplyAdd(Vector256.Create(Unsafe.Add(ref row, i + 2)), v, s2);
            s3 = Vector256.FusedMultiplyAdd(Vector256.Create(Unsafe.Add(ref row, i + 3)), v, s3);
        }

        ref float g = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(gram), (i * width) + j);
        (Vector256.LoadUnsafe(ref g) + s0).StoreUnsafe(ref g);
        (Vector256.LoadUnsafe(ref g, (nuint)width) + s1).StoreUnsafe(ref g, (nuint)width);
        (Vector256.LoadUnsafe(ref g, (nuint)(2 * width)) + s2).StoreUnsafe(ref g, (nuint)(2 * width));
        (Vector256.LoadUnsafe(ref g, (nuint)(3 * width)) + s3).StoreUnsafe(ref g, (nuint)(3 * width));
    }
}
