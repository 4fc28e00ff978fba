using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ModelCompression.Numerics.Products;

/// <summary>Rows of a matrix where they lie.</summary>
internal readonly ref struct RowView
{
    private readonly ref float start;
    private readonly int panelWidth;
    private readonly int panelStep;

    /// <summary>Rows one after the other, with nothing to read behind the last one.</summary>
    /// <param name="rows">Whole rows.</param>
    /// <param name="columns">Elements of a row; as many as a tile has, at least.</param>
    public RowView(ReadOnlySpan<float> rows, int columns) : this(rows, columns, rows.Length / columns, columns, int.MaxValue, 0)
    {
    }

    /// <summary>Rows with room behind the last column.</summary>
    /// <param name="elements">The elements.</param>
    /// <param name="columns">Elements of a row.</param>
    /// <param name="count">Rows.</param>
    /// <param name="stride">Distance between rows.</param>
    /// <param name="panelWidth">Columns whose rows are one run of memory.</param>
    /// <param name="panelStep">Distance between such panels; 0 if there is only one.</param>
    public RowView(ReadOnlySpan<float> elements, int columns, int count, int stride, int panelWidth, int panelStep)
    {
        start = ref MemoryMarshal.GetReference(elements);
        (Columns, Count, Stride, this.panelWidth, this.panelStep) = (columns, count, stride, panelWidth, panelStep);
        HasRoom = stride > columns || panelStep > 0;
    }

    /// <summary>Elements of a row.</summary>
    public int Columns { get; }

    /// <summary>Rows.</summary>
    public int Count { get; }

    /// <summary>Distance between rows.</summary>
    public int Stride { get; }

    /// <summary>True if a tile may reach over the last column.</summary>
    public bool HasRoom { get; }

    /// <summary>The first element of a tile that starts at a column.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref float At(int column) => ref Unsafe.Add(ref start, (column / panelWidth * panelStep) + (column % panelWidth));

    /// <summary>Where a tile of some width starts that has to have a column: earlier where it would reach over the last one.</summary>
    public int TileAt(int column, int width) => HasRoom ? column : Math.Min(column, Columns - width);
}
