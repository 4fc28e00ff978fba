using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Rows Z of a fit: kept as they are while they are few for their length, then as ZᵀZ.</summary>
/// <param name="width">Elements of a row.</param>
/// <param name="cancellation">Stops the products.</param>
internal sealed class GatheredRows(int width, CancellationToken cancellation)
{
    private float[] rows = [];
    private double[]? matrix;

    /// <summary>True while all rows are kept as they are: <see cref="Kept"/>.</summary>
    public bool AreKept => matrix is null;

    /// <summary>Number of rows kept as they are.</summary>
    public int Count { get; private set; }

    /// <summary>The rows kept as they are, one after the other.</summary>
    public ReadOnlySpan<float> Kept => rows.AsSpan(0, Count * width);

    /// <summary>Rows that are kept at most: fewer take less memory than the matrix, and fits by them take less work.</summary>
    private int Limit => matrix is null ? Math.Max(GramKernel.BlockRows, width / 2) : GramKernel.BlockRows;

    /// <summary>Adds a row.</summary>
    public void Add(ReadOnlySpan<float> row)
    {
        if (Count == Limit) ToMatrix();
        if ((Count + 1) * width > rows.Length) Array.Resize(ref rows, Math.Min(Limit, Math.Max(16, 2 * Count)) * width);
        row.CopyTo(rows.AsSpan(Count++ * width));
    }

    /// <summary>ZᵀZ, row-major; the rows are not kept any longer.</summary>
    public ReadOnlySpan<double> Matrix()
    {
        ToMatrix();
        GramKernel.Mirror(matrix!, width);
        return matrix;
    }

    private void ToMatrix()
    {
        matrix ??= new double[checked(width * width)];
        for (int first = 0; first < Count; first += GramKernel.BlockRows)
        {
            int count = Math.Min(GramKernel.BlockRows, Count - first);
            GramKernel.AddUpper(rows.AsSpan(first * width, count * width), count, width, matrix, cancellation);
        }

        Count = 0;
    }
}
