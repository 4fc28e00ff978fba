using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.Products;

/// <summary>Means and sums of squared deviations over mini-batches of products AᵀB, which are not stored themselves.</summary>
/// <remarks>
/// Welford 1962, one mini-batch after the other. A tile of the moments is a run of memory: rows of a large matrix lie so far apart that those of a tile would fall on the same places of the cache.
/// </remarks>
internal sealed class MomentTiles
{
    private readonly int rows;
    private readonly int columns;
    private readonly int width;
    private readonly LineAligned means;
    private readonly LineAligned squares;
    private int count;

    private MomentTiles(int rows, int columns, int width)
    {
        (this.rows, this.columns, this.width) = (rows, columns, width);
        means = new(checked(PanelCount * RowTileCount * TileLength));
        squares = new(means.Length);
    }

    private int RowTileCount => (rows + RowProducts.TileRows - 1) / RowProducts.TileRows;

    private int PanelCount => (columns + width - 1) / width;

    private int TileLength => RowProducts.TileRows * width;

    /// <summary>Starts without mini-batches.</summary>
    /// <param name="rows">Columns of A.</param>
    /// <param name="columns">Columns of B.</param>
    public static MomentTiles Of(int rows, int columns) => Vector512.IsHardwareAccelerated ? Of<SixteenLanes>(rows, columns) : Of<EightLanes>(rows, columns);

    /// <summary>As <see cref="Of(int, int)"/>, for vectors of a given width.</summary>
    internal static MomentTiles Of<T>(int rows, int columns) where T : struct, IVectorLanes<T> => new(rows, columns, 2 * T.Count);

    /// <summary>Takes mini-batches in order.</summary>
    /// <param name="batches">A and B of each mini-batch, in panels.</param>
    /// <returns>False if a mean or a sum is no finite number.</returns>
    public bool Add(IReadOnlyList<(RowBlock A, RowBlock B)> batches)
    {
        var factors = batches.ToArray();
        bool isFinite = true;
        Parallel.For(0, PanelCount, panel =>
        {
            if (!(width == 2 * SixteenLanes.Count ? AddPanel<SixteenLanes>(factors, panel) : AddPanel<EightLanes>(factors, panel))) Volatile.Write(ref isFinite, false);
        });
        count += batches.Count;
        return isFinite;
    }

    /// <summary>Writes the moments row by row.</summary>
    public void CopyTo(Span<float> rowMeans, Span<float> rowSquares)
    {
        for (int r = 0; r < rows; r++)
            for (int panel = 0; panel < PanelCount; panel++)
            {
                int at = (((panel * RowTileCount) + (r / RowProducts.TileRows)) * TileLength) + (r % RowProducts.TileRows * width), column = panel * width, length = Math.Min(width, columns - column);
                means.Span.Slice(at, length).CopyTo(rowMeans[((r * columns) + column)..]);
                squares.Span.Slice(at, length).CopyTo(rowSquares[((r * columns) + column)..]);
            }
    }

    /// <summary>A vertical panel; each of its tiles takes all mini-batches while it is in the cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool AddPanel<T>((RowBlock A, RowBlock B)[] batches, int panel) where T : struct, IVectorLanes<T>
    {
        var zeros = T.Fill(0);
        Span<int> columns = stackalloc int[batches.Length];
        for (int t = 0; t < batches.Length; t++) columns[t] = batches[t].B.IndexOf(panel * width);
        for (int tile = 0; tile < RowTileCount; tile++)
        {
            int at = ((panel * RowTileCount) + tile) * TileLength;
            ref float mean = ref means.Span[at], square = ref squares.Span[at];
            if (tile + 1 < RowTileCount)
            {
                // Moments of the next tile arrive while the products of this one are computed.
                LineAligned.Prefetch(ref Unsafe.Add(ref mean, TileLength), TileLength);
                LineAligned.Prefetch(ref Unsafe.Add(ref square, TileLength), TileLength);
            }

            for (int t = 0; t < batches.Length; t++)
            {
                var (a, b) = batches[t];
                RowProducts.Multiply<T, MomentTile<T>>(ref a.PanelAt(tile), a.Stride, ref b.Elements[columns[t]], b.Stride, a.Count, new(ref mean, ref square, 1f / (count + t + 1)));
            }

            zeros = T.Add(zeros, Zeros<T>(ref square));
        }

        Span<float> lanes = stackalloc float[T.Count];
        zeros.Store(ref MemoryMarshal.GetReference(lanes));
        float sum = 0;
        foreach (float lane in lanes) sum += lane;
        return !float.IsNaN(sum);
    }

    /// <summary>Zeros, or NaN where a tile has infinities or NaN, whose product with zero it is. What tiles reach over are zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static T Zeros<T>(ref float tile) where T : struct, IVectorLanes<T>
    {
        T p = T.Fill(0), q = p;
        for (int k = 0; k < RowProducts.TileRows; k++)
        {
            p = T.MultiplyAdd(T.Load(ref Unsafe.Add(ref tile, 2 * k * T.Count)), T.Fill(0), p);
            q = T.MultiplyAdd(T.Load(ref Unsafe.Add(ref tile, ((2 * k) + 1) * T.Count)), T.Fill(0), q);
        }

        return T.Add(p, q);
    }
}
