using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Pruning.Refitting;

/// <summary>The weights of one group of a linear operator, as the two matrices that algorithms work on.</summary>
/// <remarks>
/// <c>Columns</c> of the fit: K inputs by M outputs, in the operator's own order. <c>Rows</c>: one per output, its inputs in the order in which N:M groups run (for convolutions all input
/// channels of a kernel position, then the next position), and a last element for the bias if there is one.
/// </remarks>
internal sealed class WeightMatrix
{
    private readonly LinearSite site;
    private readonly long[] dims;
    private readonly int[] order;

    public WeightMatrix(LinearSite site)
    {
        this.site = site;
        if (!site.Weight.TryGetConstant(out var weight)) throw new ArgumentException("The weight is not stored.", nameof(site));
        dims = weight.Dims.ToArray();
        int total = (int)dims[site.RowsPerOutput ? 0 : dims.Length - 1];
        Groups = site.XRows.Groups;
        Outputs = total / Groups;
        Inputs = total == 0 ? 0 : (int)(weight.ElementCount / total);
        int positions = dims.Length > 2 ? (int)Tensor.CountElements(dims.AsSpan(2)) : 1;
        PerPosition = Inputs / Math.Max(1, positions);
        order = new int[Inputs];
        for (int i = 0; i < Inputs; i++) order[i] = (i % PerPosition * positions) + (i / PerPosition);
    }

    /// <summary>Groups of the operator.</summary>
    public int Groups { get; }

    /// <summary>Outputs of one group.</summary>
    public int Outputs { get; }

    /// <summary>Weights per output.</summary>
    public int Inputs { get; }

    /// <summary>Consecutive elements of a row that belong to one kernel position.</summary>
    public int PerPosition { get; }

    /// <summary>Elements of a row.</summary>
    public int RowLength => Inputs + (site.Bias is null ? 0 : 1);

    /// <summary>N:M groups of a row; the last of a kernel position may be shorter.</summary>
    public IReadOnlyList<ColumnGroup> ColumnGroups(int m)
    {
        var groups = new List<ColumnGroup>();
        for (int position = 0; position < Inputs; position += PerPosition)
            for (int i = 0; i < PerPosition; i += m) groups.Add(new(position + i, Math.Min(m, PerPosition - i)));
        return groups;
    }

    /// <summary>The operator's number of a row's element; the bias comes last in both orders.</summary>
    public int Source(int element) => element < Inputs ? order[element] : element;

    /// <summary>K by M matrix of a group.</summary>
    public double[] Columns(ReadOnlySpan<float> elements, int group)
    {
        var columns = new double[Inputs * Outputs];
        for (int i = 0; i < Inputs; i++)
            for (int j = 0; j < Outputs; j++) columns[(i * Outputs) + j] = elements[At(i, j, group)];
        return columns;
    }

    /// <summary>Writes a K by M matrix back.</summary>
    public void Write(ReadOnlySpan<double> columns, int group, Span<float> elements)
    {
        for (int i = 0; i < Inputs; i++)
            for (int j = 0; j < Outputs; j++) elements[At(i, j, group)] = (float)columns[(i * Outputs) + j];
    }

    /// <summary>Rows of a K by M matrix, with <paramref name="bias"/> behind them if rows have one.</summary>
    public float[] Rows(ReadOnlySpan<double> columns, ReadOnlySpan<float> bias)
    {
        var rows = new float[Outputs * RowLength];
        for (int j = 0; j < Outputs; j++)
        {
            for (int i = 0; i < Inputs; i++) rows[(j * RowLength) + i] = (float)columns[(order[i] * Outputs) + j];
            if (RowLength > Inputs && !bias.IsEmpty) rows[(j * RowLength) + Inputs] = bias[j];
        }

        return rows;
    }

    /// <summary>The K by M matrix of rows or of marks on them.</summary>
    public T[] Columns<T>(ReadOnlySpan<T> rows)
    {
        var columns = new T[Inputs * Outputs];
        for (int j = 0; j < Outputs; j++)
            for (int i = 0; i < Inputs; i++) columns[(order[i] * Outputs) + j] = rows[(j * RowLength) + i];
        return columns;
    }

    private int At(int input, int output, int group) =>
        site.RowsPerOutput ? (((group * Outputs) + output) * Inputs) + input : (input * Outputs) + output;
}
