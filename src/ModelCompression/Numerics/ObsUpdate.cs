using System.Numerics.Tensors;

namespace ModelCompression.Numerics;

/// <summary>Columns of a weight matrix that are treated together, and how many of each row's elements among them stay.</summary>
/// <param name="First">First column.</param>
/// <param name="Length">Number of columns.</param>
internal readonly record struct ColumnGroup(int First, int Length);

/// <summary>Removes elements of the rows of a weight matrix and lets the elements behind them make up for it (optimal brain surgeon, column by column).</summary>
/// <remarks>
/// With H = XᵀX of the inputs and H⁻¹ = UᵀU, removing element i of a row changes the elements behind it by −wᵢ/Uᵢᵢ·Uᵢⱼ and costs wᵢ²/Uᵢᵢ². Frantar, Alistarh, "SparseGPT: Massive language
/// models can be accurately pruned in one-shot", ICML 2023; Hassibi, Stork, "Second order derivatives for network pruning: Optimal Brain Surgeon", NIPS 1992.
/// </remarks>
internal sealed class ObsUpdate
{
    /// <summary>Columns whose elements are chosen together, as in the source.</summary>
    public const int BlockLength = 128;

    private readonly float[] upper;
    private readonly int width;
    private readonly ParallelOptions stoppable;

    private ObsUpdate(float[] upper, int width, CancellationToken cancellation)
    {
        this.upper = upper;
        this.width = width;
        stoppable = new() { CancellationToken = cancellation };
    }

    /// <summary>Prepares the update for inputs with a Gram matrix; null when it cannot be factored.</summary>
    /// <param name="gram">XᵀX, width·width.</param>
    /// <param name="width">Columns.</param>
    /// <param name="damping">Added to the diagonal, relative to its mean.</param>
    /// <param name="cancellation">Stops the preparation, and later the removals.</param>
    /// <exception cref="OperationCanceledException">The work was stopped.</exception>
    public static ObsUpdate? TryCreate(ReadOnlySpan<double> gram, int width, double damping = 0.01, CancellationToken cancellation = default)
    {
        double mean = 0;
        for (int i = 0; i < width; i++) mean += gram[(i * width) + i] / width;
        if (!(mean > 0) || !double.IsFinite(mean)) return null;
        var reversed = new double[width * width];
        // With P the reversal of columns, PHP = LLᵀ gives H = (PLP)(PLP)ᵀ, so U = P·L⁻¹·P is upper triangular with H⁻¹ = UᵀU.
        for (int i = 0; i < width; i++)
            for (int j = 0; j < width; j++) reversed[((width - 1 - i) * width) + width - 1 - j] = gram[(i * width) + j];
        for (int i = 0; i < width; i++) reversed[(i * width) + i] += damping * mean;
        if (CholeskyFactor.TryCreate(reversed, width, cancellation) is not { } factor) return null;
        var inverse = factor.InverseOfLower();
        var upper = new float[width * width];
        for (int i = 0; i < width; i++)
            for (int j = i; j < width; j++) upper[(i * width) + j] = (float)inverse[((width - 1 - i) * width) + width - 1 - j];
        return new(upper, width, cancellation);
    }

    /// <summary>Prepares the update for inputs given as fewer rows than columns; null when they are zero.</summary>
    /// <remarks>
    /// U, row by row from the last: [H⁻¹]ᵢⱼ of the columns from i on is (δᵢⱼ − xᵢᵀ·S·xⱼ)/λ with S = (λ + Σ_{k ≥ i} xₖxₖᵀ)⁻¹, n·n, to which each column adds a term of rank one
    /// (Sherman, Morrison 1950).
    /// </remarks>
    /// <param name="rows">X, row-major.</param>
    /// <param name="width">Columns.</param>
    /// <param name="damping">Added to the diagonal, relative to its mean.</param>
    /// <param name="cancellation">Stops the preparation, and later the removals.</param>
    /// <exception cref="OperationCanceledException">The work was stopped.</exception>
    public static ObsUpdate? FromRows(float[] rows, int width, double damping = 0.01, CancellationToken cancellation = default)
    {
        int count = rows.Length / width;
        double lambda = damping * TensorPrimitives.SumOfSquares<double>(Array.ConvertAll(rows, x => (double)x)) / width;
        if (!(lambda > 0) || !double.IsFinite(lambda)) return null;
        var columns = new float[rows.Length];
        for (int r = 0; r < count; r++)
            for (int i = 0; i < width; i++) columns[(i * count) + r] = rows[(r * width) + i];
        var inverse = new double[count * count];
        for (int r = 0; r < count; r++) inverse[r * (count + 1)] = 1 / lambda;
        var (weights, x) = (new float[width * count], new double[count]);
        var diagonal = new double[width];
        for (int i = width - 1; i >= 0; i--)
        {
            cancellation.ThrowIfCancellationRequested();
            TensorPrimitives.ConvertTruncating<float, double>(columns.AsSpan(i * count, count), x);
            diagonal[i] = Downdate(inverse, x, count, weights.AsSpan(i * count, count));
        }

        var upper = new float[width * width];
        Parallel.For(0, width, new ParallelOptions { CancellationToken = cancellation }, i =>
        {
            // 1 − xᵢᵀSxᵢ = 1/(1 + xᵢᵀS'xᵢ) with S' of the columns behind i: no digits are lost.
            double own = diagonal[i] / lambda, root = Math.Sqrt(own);
            upper[(i * width) + i] = (float)root;
            for (int j = i + 1; j < width; j++)
                upper[(i * width) + j] = (float)(-TensorPrimitives.Dot<float>(weights.AsSpan(i * count, count), columns.AsSpan(j * count, count)) / (lambda * root));
        });
        return new(upper, width, cancellation);
    }

    /// <summary>S' becomes S = S' − S'xxᵀS'/(1 + xᵀS'x); gives S·x and 1 − xᵀSx.</summary>
    private static double Downdate(double[] inverse, double[] x, int count, Span<float> product)
    {
        var v = new double[count];
        for (int r = 0; r < count; r++) v[r] = TensorPrimitives.Dot<double>(inverse.AsSpan(r * count, count), x);
        double rest = 1 / (1 + TensorPrimitives.Dot<double>(v, x));
        for (int r = 0; r < count; r++)
        {
            product[r] = (float)(v[r] * rest);
            var row = inverse.AsSpan(r * count, count);
            TensorPrimitives.MultiplyAdd<double>(v, -v[r] * rest, row, row);
        }

        return rest;
    }

    /// <summary>Removes the elements that a mask marks.</summary>
    /// <param name="rows">Elements, row after row; overwritten.</param>
    /// <param name="removed">One mark per element.</param>
    public void Remove(float[] rows, bool[] removed) =>
        Parallel.For(0, rows.Length / width, stoppable, r => Sweep(rows.AsSpan(r * width, width), removed.AsSpan(r * width, width), 0, width));

    /// <summary>Removes a share of the elements, in each block of columns those that cost least.</summary>
    /// <param name="rows">Elements, row after row; overwritten.</param>
    /// <param name="count">Columns that take part, the first ones; the others (a bias) only make up.</param>
    /// <param name="sparsity">Share to remove.</param>
    public void RemoveShare(float[] rows, int count, double sparsity)
    {
        int rowCount = rows.Length / width;
        for (int first = 0; first < count; first += BlockLength)
        {
            int length = Math.Min(BlockLength, count - first);
            var removed = Cheapest(rows, rowCount, first, length, (int)Math.Round(sparsity * rowCount * length, MidpointRounding.ToEven));
            Parallel.For(0, rowCount, stoppable, r => Sweep(rows.AsSpan(r * width, width), removed.AsSpan(r * length, length), first, length));
        }
    }

    /// <summary>Keeps n elements in every group of columns, removing those that cost least when the sweep arrives there.</summary>
    /// <param name="rows">Elements, row after row; overwritten.</param>
    /// <param name="groups">Groups in column order.</param>
    /// <param name="kept">Elements of each row that stay in a group.</param>
    public void RemoveFromGroups(float[] rows, IReadOnlyList<ColumnGroup> groups, int kept) =>
        Parallel.For(0, rows.Length / width, stoppable, r =>
        {
            var row = rows.AsSpan(r * width, width);
            Span<bool> removed = stackalloc bool[groups.Max(g => g.Length)];
            foreach (var (first, length) in groups)
            {
                var marks = removed[..length];
                for (int i = 0; i < length; i++)
                {
                    int better = 0;
                    for (int j = 0; j < length; j++)
                        if (Cost(row, first + j) is var other && Cost(row, first + i) is var own && (other > own || (other == own && j < i))) better++;
                    marks[i] = better >= kept;
                }

                Sweep(row, marks, first, length);
            }
        });

    private double Cost(ReadOnlySpan<float> row, int i) => (double)row[i] * row[i] / ((double)upper[(i * width) + i] * upper[(i * width) + i]);

    private void Sweep(Span<float> row, ReadOnlySpan<bool> removed, int first, int length)
    {
        for (int i = first; i < first + length; i++)
        {
            if (!removed[i - first]) continue;
            float error = row[i] / upper[(i * width) + i];
            row[i] = 0;
            if (error == 0) continue;
            var behind = row[(i + 1)..];
            TensorPrimitives.MultiplyAdd(upper.AsSpan((i * width) + i + 1, behind.Length), -error, behind, behind);
        }

        // What was removed may have been changed by its predecessors before its turn, never after: it is zero.
    }

    private bool[] Cheapest(float[] rows, int rowCount, int first, int length, int count)
    {
        var costs = new double[rowCount * length];
        Parallel.For(0, rowCount, r =>
        {
            for (int i = 0; i < length; i++) costs[(r * length) + i] = Cost(rows.AsSpan(r * width, width), first + i);
        });
        var order = new int[costs.Length];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        // Ties go in element order.
        Array.Sort((double[])costs.Clone(), order);
        var removed = new bool[costs.Length];
        if (count == 0) return removed;
        double limit = costs[order[count - 1]];
        int below = 0;
        for (int i = 0; i < costs.Length; i++)
        {
            if (!(costs[i] < limit)) continue;
            removed[i] = true;
            below++;
        }

        for (int i = 0; i < costs.Length && below < count; i++)
        {
            if (costs[i] != limit) continue;
            removed[i] = true;
            below++;
        }

        return removed;
    }
}
