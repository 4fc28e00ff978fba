using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Adds XᵀX of a block of rows to a symmetric matrix.</summary>
/// <remarks>
/// Every element is one chain of fused multiply-adds in row order, so the result depends neither on threads nor on the width of the processor's vectors. Columns are first repacked
/// eight by eight: a tile of the result then reads two short runs of memory.
/// </remarks>
internal static class GramKernel
{
    /// <summary>Most rows in one call: they stay in the cache, and sums of few products lose little precision.</summary>
    public const int BlockRows = 256;

    private const int Panel = 8;
    private const long ParallelWork = 1 << 22;

    /// <summary>G += XᵀX.</summary>
    /// <param name="rows">X, row-major.</param>
    /// <param name="count">Number of rows, at most <see cref="BlockRows"/>.</param>
    /// <param name="width">K.</param>
    /// <param name="gram">G, K·K, symmetric.</param>
    /// <param name="cancellation">Stops the work: G is undefined then.</param>
    public static void Add(float[] rows, int count, int width, float[] gram, CancellationToken cancellation = default)
    {
        AddUpper(rows, count, width, gram, cancellation);
        Mirror(gram, width);
    }

    /// <summary>G += XᵀX from the diagonal on; below it G is undefined until <see cref="Mirror"/>. Sums over the block are binary32, those over blocks as G.</summary>
    /// <typeparam name="T">Binary32 or binary64.</typeparam>
    public static void AddUpper<T>(ReadOnlySpan<float> rows, int count, int width, T[] gram, CancellationToken cancellation = default) where T : struct
    {
        cancellation.ThrowIfCancellationRequested();
        int panels = (width + Panel - 1) / Panel;
        float[] packed = ArrayPool<float>.Shared.Rent(panels * count * Panel);
        Pack(rows, count, width, packed);
        if ((long)count * width * width < ParallelWork)
            for (int p = 0; p < panels; p++) AddPanel(packed, count, width, gram, p);
        else Parallel.For(0, panels, new ParallelOptions { CancellationToken = cancellation }, p => AddPanel(packed, count, width, gram, p));
        ArrayPool<float>.Shared.Return(packed);
    }

    /// <summary>Copies what is above the diagonal below it.</summary>
    public static void Mirror<T>(T[] gram, int width)
    {
        // Tile by tile: a column of a large matrix touches a page per element.
        const int Tile = 64;
        for (int first = 0; first < width; first += Tile)
            for (int behind = first; behind < width; behind += Tile)
                for (int i = first; i < Math.Min(first + Tile, width); i++)
                    for (int j = Math.Max(behind, i + 1); j < Math.Min(behind + Tile, width); j++) gram[(j * width) + i] = gram[(i * width) + j];
    }

    /// <summary>[panel][row][8 columns], zeros behind the last column.</summary>
    private static void Pack(ReadOnlySpan<float> rows, int count, int width, float[] packed)
    {
        for (int r = 0; r < count; r++)
        {
            var row = rows.Slice(r * width, width);
            for (int p = 0; row.Length > 0; p++)
            {
                int length = Math.Min(Panel, row.Length);
                var target = packed.AsSpan(((p * count) + r) * Panel, Panel);
                row[..length].CopyTo(target);
                target[length..].Clear();
                row = row[length..];
            }
        }
    }

    /// <summary>Eight rows of G from the diagonal on.</summary>
    private static void AddPanel<T>(float[] packed, int count, int width, T[] gram, int panel) where T : struct
    {
        int panels = (width + Panel - 1) / Panel;
        for (int half = 0; half < Panel && (panel * Panel) + half < width; half += 4)
        {
            int q = panel;
            for (; q + 1 < panels; q += 2) AddTile(packed, count, width, gram, panel, half, q, isWide: true);
            if (q < panels) AddTile(packed, count, width, gram, panel, half, q, isWide: false);
        }
    }

    /// <summary>Four rows of G, sixteen or eight columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddTile<T>(float[] packed, int count, int width, T[] gram, int panel, int half, int q, bool isWide) where T : struct
    {
        ref float x = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(packed), (panel * count * Panel) + half);
        ref float y = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(packed), q * count * Panel);
        ref float z = ref isWide ? ref Unsafe.Add(ref y, count * Panel) : ref y;
        Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default, b0 = default, b1 = default, b2 = default, b3 = default;
        for (nuint r = 0; r < (nuint)(count * Panel); r += Panel)
        {
            var v = Vector256.LoadUnsafe(ref y, r);
            var w = Vector256.LoadUnsafe(ref z, r);
            var s = Vector256.Create(Unsafe.Add(ref x, r));
            (a0, b0) = (Vector256.FusedMultiplyAdd(s, v, a0), Vector256.FusedMultiplyAdd(s, w, b0));
            s = Vector256.Create(Unsafe.Add(ref x, r + 1));
            (a1, b1) = (Vector256.FusedMultiplyAdd(s, v, a1), Vector256.FusedMultiplyAdd(s, w, b1));
            s = Vector256.Create(Unsafe.Add(ref x, r + 2));
            (a2, b2) = (Vector256.FusedMultiplyAdd(s, v, a2), Vector256.FusedMultiplyAdd(s, w, b2));
            s = Vector256.Create(Unsafe.Add(ref x, r + 3));
            (a3, b3) = (Vector256.FusedMultiplyAdd(s, v, a3), Vector256.FusedMultiplyAdd(s, w, b3));
        }

        ReadOnlySpan<Vector256<float>> left = [a0, a1, a2, a3], right = [b0, b1, b2, b3];
        for (int i = 0; i < 4 && (panel * Panel) + half + i < width; i++)
        {
            int row = ((panel * Panel) + half + i) * width;
            Store(left[i], gram.AsSpan(row + (q * Panel), Math.Min(Panel, width - (q * Panel))));
            if (isWide) Store(right[i], gram.AsSpan(row + ((q + 1) * Panel), Math.Min(Panel, width - ((q + 1) * Panel))));
        }
    }

    private static void Store<T>(Vector256<float> sums, Span<T> target) where T : struct
    {
        for (int i = 0; i < target.Length; i++)
        {
            if (typeof(T) == typeof(float)) Unsafe.As<T, float>(ref target[i]) += sums[i];
            else Unsafe.As<T, double>(ref target[i]) += sums[i];
        }
    }
}
