using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.Products;

/// <summary>Products AᵀB of two blocks with the same number of rows.</summary>
/// <remarks>
/// Every element is one chain of fused multiply-adds in row order, so the result depends neither on threads nor on the width of the processor's vectors. Tiles of the result stay in registers.
/// Methods are compiled with all optimizations at once: a build is over before the runtime would find out that they are busy.
/// </remarks>
internal static class RowProducts
{
    /// <summary>Columns of A in a tile.</summary>
    public const int TileRows = 6;

    /// <summary>Most columns of B in a tile: two of the widest vectors.</summary>
    public const int TileColumns = 32;

    /// <summary>Fewest columns of rows of B that have no room behind them.</summary>
    public const int NarrowTileColumns = 16;

    /// <summary>Multiplications per row of G += AᵀB, what tiles reach over included.</summary>
    public static int Cost(int columnsOfA, int columnsOfB) => (columnsOfA + TileRows - 1) / TileRows * TileRows * ((columnsOfB + TileColumns - 1) / TileColumns * TileColumns);

    /// <summary>G += AᵀB.</summary>
    /// <param name="a">A.</param>
    /// <param name="b">B.</param>
    /// <param name="sums">G, a row per column of A.</param>
    public static void Add(RowView a, RowView b, Span<float> sums)
    {
        if (Vector512.IsHardwareAccelerated && (b.HasRoom || b.Columns >= TileColumns)) AddWith<SixteenLanes>(a, b, sums);
        else AddWith<EightLanes>(a, b, sums);
    }

    /// <summary>As <see cref="Add"/>, with vectors of a given width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void AddWith<T>(RowView a, RowView b, Span<float> sums) where T : struct, IVectorLanes<T>
    {
        Span<float> tile = stackalloc float[TileRows * TileColumns];
        for (int j = 0; j < b.Columns; j += 2 * T.Count)
            for (int i = 0; i < a.Columns; i += TileRows)
            {
                var place = new Place(i, j, a.Columns, b.Columns);
                int row = a.TileAt(i, TileRows), column = b.TileAt(j, 2 * T.Count);
                Multiply<T, StoredTile<T>>(ref a.At(row), a.Stride, ref b.At(column), b.Stride, a.Count, new(ref MemoryMarshal.GetReference(tile)));
                for (int r = 0; r < place.Rows; r++) AddRow<T>(tile[((2 * (r + i - row) * T.Count) + j - column)..], sums.Slice(place.At(r), place.ColumnsOf<T>()));
            }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow<T>(ReadOnlySpan<float> tile, Span<float> sums) where T : struct, IVectorLanes<T>
    {
        ref float x = ref MemoryMarshal.GetReference(tile), y = ref MemoryMarshal.GetReference(sums);
        int i = 0;
        for (; i <= sums.Length - T.Count; i += T.Count) T.Add(T.Load(ref Unsafe.Add(ref x, i)), T.Load(ref Unsafe.Add(ref y, i))).Store(ref Unsafe.Add(ref y, i));
        for (; i < sums.Length; i++) sums[i] += tile[i];
    }

    /// <summary>Where a tile is in a matrix.</summary>
    private readonly record struct Place(int Row, int Column, int MatrixRows, int MatrixColumns)
    {
        public int Rows => Math.Min(TileRows, MatrixRows - Row);

        public int ColumnsOf<T>() where T : struct, IVectorLanes<T> => Math.Min(2 * T.Count, MatrixColumns - Column);

        public int At(int row) => ((Row + row) * MatrixColumns) + Column;
    }

    /// <summary>Six columns of A times two vectors of columns of B; inlined, so that sums and sink stay in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Multiply<T, TSink>(ref float a, nint strideA, ref float b, nint strideB, int rows, TSink sink)
        where T : struct, IVectorLanes<T>
        where TSink : struct, ITileSink<T>, allows ref struct
    {
        T p0 = T.Fill(0), p1 = p0, p2 = p0, p3 = p0, p4 = p0, p5 = p0, q0 = p0, q1 = p0, q2 = p0, q3 = p0, q4 = p0, q5 = p0;
        for (int r = rows; r > 0; r--)
        {
            var x = T.Load(ref b);
            var y = T.Load(ref Unsafe.Add(ref b, T.Count));
            var s = T.Fill(a);
            (p0, q0) = (T.MultiplyAdd(s, x, p0), T.MultiplyAdd(s, y, q0));
            s = T.Fill(Unsafe.Add(ref a, 1));
            (p1, q1) = (T.MultiplyAdd(s, x, p1), T.MultiplyAdd(s, y, q1));
            s = T.Fill(Unsafe.Add(ref a, 2));
            (p2, q2) = (T.MultiplyAdd(s, x, p2), T.MultiplyAdd(s, y, q2));
            s = T.Fill(Unsafe.Add(ref a, 3));
            (p3, q3) = (T.MultiplyAdd(s, x, p3), T.MultiplyAdd(s, y, q3));
            s = T.Fill(Unsafe.Add(ref a, 4));
            (p4, q4) = (T.MultiplyAdd(s, x, p4), T.MultiplyAdd(s, y, q4));
            s = T.Fill(Unsafe.Add(ref a, 5));
            (p5, q5) = (T.MultiplyAdd(s, x, p5), T.MultiplyAdd(s, y, q5));
            a = ref Unsafe.Add(ref a, strideA);
            b = ref Unsafe.Add(ref b, strideB);
        }

        sink.Take(0, p0, q0);
        sink.Take(1, p1, q1);
        sink.Take(2, p2, q2);
        sink.Take(3, p3, q3);
        sink.Take(4, p4, q4);
        sink.Take(5, p5, q5);
    }
}
