using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace ModelCompression.Numerics.Products;

/// <summary>Rows of a matrix for <see cref="RowProducts"/>, with room behind the last column for a tile that reaches over it.</summary>
internal sealed class RowBlock
{
    /// <summary>Binary32 elements in a cache line.</summary>
    private const int Line = 16;

    private readonly int tileWidth;
    private readonly bool hasPanels;
    private int capacity;
    private int panelStep;

    private RowBlock(int columns, int tileWidth, bool hasPanels)
    {
        (Columns, this.tileWidth, this.hasPanels) = (columns, tileWidth, hasPanels);
        Stride = hasPanels ? tileWidth : (((columns + tileWidth + Line - 1) / Line) | 1) * Line;
        panelStep = hasPanels ? tileWidth : 0;
    }

    /// <summary>Elements of a row.</summary>
    public int Columns { get; }

    /// <summary>Distance between rows of a tile.</summary>
    public int Stride { get; }

    /// <summary>Rows that are filled.</summary>
    public int Count { get; private set; }

    /// <summary>The elements.</summary>
    public float[] Elements { get; private set; } = [];

    /// <summary>Place of the first element of a tile that starts at a column.</summary>
    public int IndexOf(int column) => hasPanels ? (column / tileWidth * panelStep) + (column % tileWidth) : column;

    /// <summary>The rows.</summary>
    public static implicit operator RowView(RowBlock block) => new(block.Elements, block.Columns, block.Count, block.Stride, block.hasPanels ? block.tileWidth : int.MaxValue, block.panelStep);

    /// <summary>Rows one after the other, an odd number of cache lines apart, so that they do not fall on the same places of the cache.</summary>
    /// <param name="columns">Elements of a row.</param>
    /// <param name="tileWidth"><see cref="RowProducts.TileRows"/> for A, <see cref="RowProducts.TileColumns"/> for B.</param>
    public static RowBlock OfRows(int columns, int tileWidth) => new(columns, tileWidth, hasPanels: false);

    /// <summary>Panels as wide as a tile, whose rows are one run of memory.</summary>
    public static RowBlock OfPanels(int columns, int tileWidth) => new(columns, tileWidth, hasPanels: true);

    /// <summary>Takes all rows away.</summary>
    public void Clear() => Count = 0;

    /// <summary>Adds rows without setting their elements; only for <see cref="OfRows"/>.</summary>
    /// <returns>Number of the first.</returns>
    public int Extend(int count)
    {
        Reserve(Count + count);
        Count += count;
        return Count - count;
    }

    /// <summary>Adds rows.</summary>
    /// <param name="rows">Whole rows, one after the other.</param>
    /// <param name="scale">Factor on each element.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Append(ReadOnlySpan<float> rows, float scale = 1)
    {
        int first = Extend(rows.Length / Columns);
        int width = hasPanels ? tileWidth : Columns;
        for (int r = first; r < Count; r++)
            for (int c = 0, tile = 0; c < Columns; c += width, tile++)
            {
                var part = rows.Slice(((r - first) * Columns) + c, Math.Min(width, Columns - c));
                var target = Elements.AsSpan((tile * panelStep) + (r * Stride), part.Length);
                // Parts may be too short for a call.
                if (part.Length < Line)
                    for (int i = 0; i < part.Length; i++) target[i] = part[i] * scale;
                else if (scale == 1) part.CopyTo(target);
                else TensorPrimitives.Multiply(part, scale, target);
            }
    }

    private void Reserve(int rows)
    {
        if (rows <= capacity) return;
        int panels = hasPanels ? (Columns + tileWidth - 1) / tileWidth : 1, larger = Math.Max(rows, 2 * capacity);
        var elements = new float[checked(panels * larger * Stride)];
        for (int p = 0; p < panels && Count > 0; p++) Elements.AsSpan(p * panelStep, Count * Stride).CopyTo(elements.AsSpan(p * larger * Stride));
        (Elements, capacity) = (elements, larger);
        if (hasPanels) panelStep = larger * Stride;
    }
}
