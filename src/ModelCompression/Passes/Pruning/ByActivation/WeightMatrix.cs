using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Pruning.Refitting;

namespace ModelCompression.Passes.Pruning.ByActivation;

/// <summary>
/// The weights of a linear operator as rows, one per output channel, in the order in which N:M groups run: for convolutions all input channels of a kernel position, then the next
/// position. A bias is one column more, behind the others.
/// </summary>
internal sealed class WeightMatrix
{
    private readonly LinearSite site;
    private readonly Tensor weight;
    private readonly int[] order;

    public WeightMatrix(LinearSite site, Tensor weight)
    {
        this.site = site;
        this.weight = weight;
        RowCount = (int)weight.Dims[site.RowsPerOutput ? 0 : weight.Rank - 1];
        Columns = RowCount == 0 ? 0 : (int)(weight.ElementCount / RowCount);
        int positions = weight.Rank > 2 ? (int)Tensor.CountElements(weight.Dims[2..]) : 1;
        PerPosition = Columns / Math.Max(1, positions);
        order = new int[Columns];
        for (int i = 0; i < Columns; i++) order[i] = (i % PerPosition * positions) + (i / PerPosition);
    }

    /// <summary>Output channels.</summary>
    public int RowCount { get; }

    /// <summary>Weights per output channel.</summary>
    public int Columns { get; }

    /// <summary>Consecutive columns of one kernel position.</summary>
    public int PerPosition { get; }

    /// <summary>Columns and the bias, if there is one.</summary>
    public int Width => Columns + (site.Bias is null ? 0 : 1);

    /// <summary>Groups of m columns along the reduction axis; the last of a kernel position may be shorter.</summary>
    public IReadOnlyList<ColumnGroup> Groups(int m)
    {
        var groups = new List<ColumnGroup>();
        for (int position = 0; position < Columns; position += PerPosition)
            for (int i = 0; i < PerPosition; i += m) groups.Add(new(position + i, Math.Min(m, PerPosition - i)));
        return groups;
    }

    /// <summary>Rows of one group of output channels, bias included.</summary>
    public float[] Rows(int group, int groups)
    {
        int count = RowCount / groups;
        var elements = weight.AsSpan<float>();
        var rows = new float[count * Width];
        ReadOnlySpan<float> bias = site.Bias is { } b && b.TryGetConstant(out var tensor) ? tensor.AsSpan<float>() : [];
        for (int r = 0; r < count; r++)
        {
            for (int i = 0; i < Columns; i++) rows[(r * Width) + i] = elements[At((group * count) + r, i)];
            if (!bias.IsEmpty) rows[(r * Width) + Columns] = bias[(group * count) + r];
        }

        return rows;
    }

    /// <summary>Writes rows back.</summary>
    public void Write(int group, int groups, ReadOnlySpan<float> rows, Span<float> elements, Span<float> bias)
    {
        int count = RowCount / groups;
        for (int r = 0; r < count; r++)
        {
            for (int i = 0; i < Columns; i++) elements[At((group * count) + r, i)] = rows[(r * Width) + i];
            if (Width > Columns) bias[(group * count) + r] = rows[(r * Width) + Columns];
        }
    }

    /// <summary>A symmetric matrix or a vector over columns in the operator's order, in the order of the rows here.</summary>
    public double[] Reorder(ReadOnlySpan<float> gram)
    {
        int width = Width;
        var result = new double[width * width];
        for (int i = 0; i < width; i++)
            for (int j = 0; j < width; j++) result[(i * width) + j] = gram[(Source(i) * width) + Source(j)];
        return result;
    }

    /// <summary>Position of a column in the operator's own order.</summary>
    public int Source(int column) => column < Columns ? order[column] : column;

    private int At(int row, int column) => site.RowsPerOutput ? (row * Columns) + order[column] : (order[column] * RowCount) + row;
}
