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

    /// <summary>Takes a mini-batch after the other into means and sums of squared deviations, each with G = AᵀB of its own, without storing G (Welford 1962).</summary>
    /// <param name="batches">A and B of each mini-batch.</param>
    /// <param name="count">Mini-batches that the moments have already.</param>
    /// <param name="means">Means in G's layout.</param>
    /// <param name="squares">Sums of squared deviations in G's layout.</param>
    /// <returns>False if a mean or a sum is no finite number.</returns>
    public static bool AddMoments(IReadOnlyList<(RowBlock A, RowBlock B)> batches, int count, float[] means, float[] squares) =>
        Vector512.IsHardwareAccelerated ? AddMomentsWith<SixteenLanes>(batches, count, means, squares) : AddMomentsWith<EightLanes>(batches, count, means, squares);

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
                Multiply<T>(a, row, b, column, ref MemoryMarshal.GetReference(tile));
                for (int r = 0; r < place.Rows; r++) AddRow<T>(tile[((2 * (r + i - row) * T.Count) + j - column)..], sums.Slice(place.At(r), place.ColumnsOf<T>()));
            }
    }

    /// <summary>As <see cref="AddMoments"/>, with vectors of a given width.</summary>
    internal static bool AddMomentsWith<T>(IReadOnlyList<(RowBlock A, RowBlock B)> batches, int count, float[] means, float[] squares) where T : struct, IVectorLanes<T>
    {
        int width = 2 * T.Count;
        bool isFinite = true;
        Parallel.For(0, (batches[0].B.Columns + width - 1) / width, panel =>
        {
            if (!AddPanel<T>(batches, count, means, squares, panel * width)) Volatile.Write(ref isFinite, false);
        });
        return isFinite;
    }

    /// <summary>A vertical panel of the moments; each of its tiles takes all mini-batches while it is in the cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool AddPanel<T>(IReadOnlyList<(RowBlock A, RowBlock B)> batches, int count, float[] means, float[] squares, int j) where T : struct, IVectorLanes<T>
    {
        const int length = TileRows * TileColumns;
        Span<float> tile = stackalloc float[length], mean = stackalloc float[length], square = stackalloc float[length];
        tile.Clear();
        var zeros = T.Fill(0);
        for (int i = 0; i < batches[0].A.Columns; i += TileRows)
        {
            var place = new Place(i, j, batches[0].A.Columns, batches[0].B.Columns);
            Read<T>(means, place, mean);
            Read<T>(squares, place, square);
            for (int t = 0; t < batches.Count; t++)
            {
                Multiply<T>(batches[t].A, i, batches[t].B, j, ref MemoryMarshal.GetReference(tile));
                Update<T>(ref MemoryMarshal.GetReference(tile), ref MemoryMarshal.GetReference(mean), ref MemoryMarshal.GetReference(square), 1f / (count + t + 1));
            }

            Write<T>(mean, place, means);
            Write<T>(square, place, squares);
            zeros = Check(squares, place, zeros);
        }

        zeros.Store(ref MemoryMarshal.GetReference(tile));
        float sum = 0;
        foreach (float lane in tile[..T.Count]) sum += lane;
        return !float.IsNaN(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow<T>(ReadOnlySpan<float> tile, Span<float> sums) where T : struct, IVectorLanes<T>
    {
        ref float x = ref MemoryMarshal.GetReference(tile), y = ref MemoryMarshal.GetReference(sums);
        int i = 0;
        for (; i <= sums.Length - T.Count; i += T.Count) T.Add(T.Load(ref Unsafe.Add(ref x, i)), T.Load(ref Unsafe.Add(ref y, i))).Store(ref Unsafe.Add(ref y, i));
        for (; i < sums.Length; i++) sums[i] += tile[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Update<T>(ref float values, ref float means, ref float squares, float share) where T : struct, IVectorLanes<T>
    {
        var factor = T.Fill(share);
        for (int k = 0; k < TileRows * 2 * T.Count; k += T.Count)
        {
            T x = T.Load(ref Unsafe.Add(ref values, k)), m = T.Load(ref Unsafe.Add(ref means, k)), delta = T.Subtract(x, m);
            m = T.MultiplyAdd(delta, factor, m);
            m.Store(ref Unsafe.Add(ref means, k));
            T.MultiplyAdd(delta, T.Subtract(x, m), T.Load(ref Unsafe.Add(ref squares, k))).Store(ref Unsafe.Add(ref squares, k));
        }
    }

    /// <summary>A tile of a matrix, without what reaches over its end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Read<T>(ReadOnlySpan<float> matrix, Place place, Span<float> tile) where T : struct, IVectorLanes<T>
    {
        for (int r = 0; r < place.Rows; r++)
        {
            var row = matrix.Slice(place.At(r), place.ColumnsOf<T>());
            ref float target = ref tile[2 * r * T.Count];
            if (row.Length == 2 * T.Count) CopyPair<T>(ref MemoryMarshal.GetReference(row), ref target);
            else row.CopyTo(tile[(2 * r * T.Count)..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Write<T>(ReadOnlySpan<float> tile, Place place, Span<float> matrix) where T : struct, IVectorLanes<T>
    {
        for (int r = 0; r < place.Rows; r++)
        {
            var row = matrix.Slice(place.At(r), place.ColumnsOf<T>());
            ref float source = ref MemoryMarshal.GetReference(tile[(2 * r * T.Count)..]);
            if (row.Length == 2 * T.Count) CopyPair<T>(ref source, ref MemoryMarshal.GetReference(row));
            else tile.Slice(2 * r * T.Count, row.Length).CopyTo(row);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyPair<T>(ref float source, ref float target) where T : struct, IVectorLanes<T>
    {
        T.Load(ref source).Store(ref target);
        T.Load(ref Unsafe.Add(ref source, T.Count)).Store(ref Unsafe.Add(ref target, T.Count));
    }

    /// <summary>Adds zeros; infinities and NaN times zero are NaN, which a sum keeps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static T Check<T>(ReadOnlySpan<float> matrix, Place place, T zeros) where T : struct, IVectorLanes<T>
    {
        for (int r = 0; r < place.Rows; r++)
        {
            var row = matrix.Slice(place.At(r), place.ColumnsOf<T>());
            int i = 0;
            for (; i <= row.Length - T.Count; i += T.Count) zeros = T.MultiplyAdd(T.Load(ref MemoryMarshal.GetReference(row[i..])), T.Fill(0), zeros);
            for (; i < row.Length; i++) zeros = T.MultiplyAdd(T.Fill(row[i]), T.Fill(0), zeros);
        }

        return zeros;
    }

    /// <summary>Where a tile is in a matrix.</summary>
    private readonly record struct Place(int Row, int Column, int MatrixRows, int MatrixColumns)
    {
        public int Rows => Math.Min(TileRows, MatrixRows - Row);

        public int ColumnsOf<T>() where T : struct, IVectorLanes<T> => Math.Min(2 * T.Count, MatrixColumns - Column);

        public int At(int row) => ((Row + row) * MatrixColumns) + Column;
    }

    /// <summary>Six columns of A times two vectors of columns of B.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<T>(RowView viewA, int i, RowView viewB, int j, ref float tile) where T : struct, IVectorLanes<T>
    {
        ref float a = ref viewA.At(i);
        ref float b = ref viewB.At(j);
        nint strideA = viewA.Stride, strideB = viewB.Stride;
        T p0 = T.Fill(0), p1 = p0, p2 = p0, p3 = p0, p4 = p0, p5 = p0, q0 = p0, q1 = p0, q2 = p0, q3 = p0, q4 = p0, q5 = p0;
        for (int r = viewA.Count; r > 0; r--)
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

        Store(p0, q0, ref tile, 0);
        Store(p1, q1, ref tile, 1);
        Store(p2, q2, ref tile, 2);
        Store(p3, q3, ref tile, 3);
        Store(p4, q4, ref tile, 4);
        Store(p5, q5, ref tile, 5);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(T left, T right, ref float tile, int row) where T : struct, IVectorLanes<T>
    {
        left.Store(ref Unsafe.Add(ref tile, 2 * row * T.Count));
        right.Store(ref Unsafe.Add(ref tile, ((2 * row) + 1) * T.Count));
    }
}
