using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.Products;

/// <summary>Rows of a matrix for <see cref="RowProducts"/>, with room behind the last column for a tile that reaches over it.</summary>
internal sealed class RowBlock
{
    private readonly int tileWidth;
    private readonly bool hasPanels;
    private LineAligned elements;
    private int capacity;
    private int panelStep;

    private RowBlock(int columns, int tileWidth, bool hasPanels)
    {
        (Columns, this.tileWidth, this.hasPanels) = (columns, tileWidth, hasPanels);
        Stride = hasPanels ? tileWidth : (((columns + tileWidth + LineAligned.Line - 1) / LineAligned.Line) | 1) * LineAligned.Line;
        panelStep = hasPanels ? tileWidth : 0;
    }

    /// <summary>Elements of a row.</summary>
    public int Columns { get; }

    /// <summary>Distance between rows of a tile.</summary>
    public int Stride { get; }

    /// <summary>Rows that are filled.</summary>
    public int Count { get; private set; }

    /// <summary>The elements.</summary>
    public Span<float> Elements => elements.Span;

    /// <summary>Place of the first element of a tile that starts at a column.</summary>
    public int IndexOf(int column) => hasPanels ? (column / tileWidth * panelStep) + (column % tileWidth) : column;

    /// <summary>The first element of a panel.</summary>
    public ref float PanelAt(int panel) => ref Elements[panel * panelStep];

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
        int count = rows.Length / Columns, first = Extend(count), width = hasPanels ? tileWidth : Columns;
        // Panel by panel: what is written is one run of memory then.
        for (int c = 0, tile = 0; c < Columns && count > 0; c += width, tile++)
        {
            int length = Math.Min(width, Columns - c);
            // The last elements, so that what follows stays inside.
            _ = (rows[((count - 1) * Columns) + c + length - 1], Elements[(tile * panelStep) + ((first + count - 1) * Stride) + length - 1]);
            ref float source = ref Unsafe.Add(ref MemoryMarshal.GetReference(rows), c), target = ref Elements[(tile * panelStep) + (first * Stride)];
            for (int r = 0; r < count; r++)
            {
                Copy(ref source, ref target, length, scale);
                source = ref Unsafe.Add(ref source, Columns);
                target = ref Unsafe.Add(ref target, Stride);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(ref float source, ref float target, int length, float scale)
    {
        int i = 0;
        for (; i <= length - Vector512<float>.Count; i += Vector512<float>.Count) (Vector512.LoadUnsafe(ref source, (nuint)i) * scale).StoreUnsafe(ref target, (nuint)i);
        for (; i <= length - Vector128<float>.Count; i += Vector128<float>.Count) (Vector128.LoadUnsafe(ref source, (nuint)i) * scale).StoreUnsafe(ref target, (nuint)i);
        for (; i < length; i++) Unsafe.Add(ref target, i) = Unsafe.Add(ref source, i) * scale;
    }

    private void Reserve(int rows)
    {
        if (rows <= capacity) return;
        int panels = hasPanels ? (Columns + tileWidth - 1) / tileWidth : 1, larger = Math.Max(rows, 2 * capacity);
        var room = new LineAligned(checked(panels * larger * Stride));
        for (int p = 0; p < panels && Count > 0; p++) Elements.Slice(p * panelStep, Count * Stride).CopyTo(room.Span[(p * larger * Stride)..]);
        (elements, capacity) = (room, larger);
        if (hasPanels) panelStep = larger * Stride;
    }
}
