namespace ModelCompression.Numerics.NBits;

/// <summary>Copies rows of a weight to where their elements lie one after the other, and codes back.</summary>
internal static class RowTile
{
    /// <summary>Elements of a tile: what stays in a core's second-level cache beside codes and working space.</summary>
    private const int WantedElements = 1 << 15;

    /// <summary>Shortest tile of a transposed weight: a cache line of floats.</summary>
    private const int LeastColumns = 16;

    /// <summary>Lines of a transposed weight that are copied together: more would push each other out of the first-level cache where they lie a power of two apart.</summary>
    private const int LoadedLines = 8;

    /// <summary>Rows that are worked on together.</summary>
    public static int RowCount(WeightGrid grid)
    {
        int rows = Math.Max(1, WantedElements / Math.Max(1, grid.Length));
        return grid.IsTransposed ? Math.Max(LeastColumns, rows / LeastColumns * LeastColumns) : rows;
    }

    /// <summary>Runs <paramref name="body"/> for every tile (first row, number of rows); the borders depend on the weight only.</summary>
    /// <param name="grid">The weight.</param>
    /// <param name="rowsPerTile">Rows of a tile.</param>
    /// <param name="body">Work on one tile; tiles may run at the same time and in any order.</param>
    /// <param name="cancellation">Stops between tiles.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static void ForEach(WeightGrid grid, int rowsPerTile, Action<int, int, TileSpace> body, CancellationToken cancellation)
    {
        int tiles = (grid.Rows + rowsPerTile - 1) / rowsPerTile;
        if (tiles == 1)
        {
            body(0, grid.Rows, new());
            return;
        }

        Parallel.For(0, tiles, new ParallelOptions { CancellationToken = cancellation }, () => new TileSpace(), (tile, _, space) =>
        {
            body(tile * rowsPerTile, Math.Min(rowsPerTile, grid.Rows - (tile * rowsPerTile)), space);
            return space;
        }, _ => { });
    }

    /// <summary>Rows <paramref name="first"/>… one after the other: the weight itself where they lie so, else a copy.</summary>
    public static ReadOnlySpan<float> Load(ReadOnlySpan<float> weight, WeightGrid grid, int first, int count, TileSpace space)
    {
        if (!grid.IsTransposed) return weight.Slice(first * grid.Length, count * grid.Length);
        var buffer = space.Elements(count * grid.Length);
        for (int k = 0; k < grid.Length; k += LoadedLines)
        {
            int lines = Math.Min(LoadedLines, grid.Length - k);
            for (int r = 0; r < count; r++)
            {
                var target = buffer.Slice((r * grid.Length) + k, lines);
                int at = (k * grid.Rows) + first + r;
                for (int i = 0; i < target.Length; i++, at += grid.Rows) target[i] = weight[at];
            }
        }

        return buffer;
    }

    /// <summary>Puts the codes of rows <paramref name="first"/>… where the weight's elements lie.</summary>
    public static void StoreCodes(ReadOnlySpan<byte> rows, WeightGrid grid, int first, int count, Span<byte> codes)
    {
        if (!grid.IsTransposed)
        {
            rows.CopyTo(codes[(first * grid.Length)..]);
            return;
        }

        for (int k = 0; k < grid.Length; k++)
        {
            var line = codes.Slice((k * grid.Rows) + first, count);
            for (int r = 0, at = k; r < line.Length; r++, at += grid.Length) line[r] = rows[at];
        }
    }
}

/// <summary>Memory that one thread works in, tile after tile.</summary>
internal sealed class TileSpace
{
    private float[] elements = [];
    private byte[] codes = [];

    /// <summary>Memory for <see cref="MeanPreservingRounding"/>.</summary>
    public MoveSpace Moves { get; } = new();

    /// <summary>Room for elements; the content is undefined.</summary>
    public Span<float> Elements(int count)
    {
        if (elements.Length < count) elements = GC.AllocateUninitializedArray<float>(count);
        return elements.AsSpan(0, count);
    }

    /// <summary>Room for codes; the content is undefined.</summary>
    public Span<byte> Codes(int count)
    {
        if (codes.Length < count) codes = GC.AllocateUninitializedArray<byte>(count);
        return codes.AsSpan(0, count);
    }
}
