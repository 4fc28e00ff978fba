using System.Numerics.Tensors;

namespace ModelCompression.Numerics;

/// <summary>The lower triangular L with A = L·Lᵀ of a symmetric positive definite matrix.</summary>
/// <remarks>Blocked by columns; every element's sums have a fixed order: the result does not depend on the number of threads.</remarks>
internal sealed class CholeskyFactor
{
    /// <summary>Columns factored together.</summary>
    private const int Panel = 64;

    /// <summary>Rows of a thread's turn; divides by four so that results do not depend on where turns begin.</summary>
    private const int Strip = 32;

    private const long ParallelWork = 1 << 17;

    private readonly double[] factor;
    private readonly int size;
    private readonly CancellationToken cancellation;

    private CholeskyFactor(double[] factor, int size, CancellationToken cancellation)
    {
        this.factor = factor;
        this.size = size;
        this.cancellation = cancellation;
    }

    /// <summary>Factors a matrix, or returns null when it is not positive definite in binary64.</summary>
    /// <param name="matrix">size·size elements, row-major; only the lower triangle is read.</param>
    /// <param name="size">Rows and columns.</param>
    /// <param name="cancellation">Stops the factoring, and later whatever is solved by the factor.</param>
    /// <exception cref="OperationCanceledException">The work was stopped.</exception>
    public static CholeskyFactor? TryCreate(ReadOnlySpan<double> matrix, int size, CancellationToken cancellation = default)
    {
        var factor = matrix.ToArray();
        for (int first = 0; first < size; first += Panel)
        {
            int end = Math.Min(first + Panel, size), panel = first;
            // What the columns before take from this panel; then the panel's own columns, row by row below its triangle.
            ForStrips(first, size, (long)(size - first) * first * (end - first), (from, to) => BlockedProducts.Subtract(factor, size, from, to, panel, end, panel), cancellation);
            if (!FactorTriangle(factor, size, first, end)) return null;
            ForStrips(end, size, (long)(size - end) * Panel * Panel, (from, to) =>
            {
                for (int i = from; i < to; i++) SolveRow(factor, size, i, panel, end);
            }, cancellation);
        }

        return new(factor, size, cancellation);
    }

    private static bool FactorTriangle(double[] factor, int size, int first, int end)
    {
        for (int i = first; i < end; i++)
        {
            SolveRow(factor, size, i, first, i);
            var row = factor.AsSpan((i * size) + first, i - first);
            double pivot = factor[(i * size) + i] - TensorPrimitives.Dot<double>(row, row);
            if (!(pivot > 0) || !double.IsFinite(pivot)) return false;
            factor[(i * size) + i] = Math.Sqrt(pivot);
        }

        return true;
    }

    /// <summary>Elements <paramref name="first"/> to <paramref name="end"/> of a row of L, from what is left of A there.</summary>
    private static void SolveRow(double[] factor, int size, int i, int first, int end)
    {
        for (int j = first; j < end; j++)
        {
            double rest = factor[(i * size) + j] - TensorPrimitives.Dot<double>(factor.AsSpan((i * size) + first, j - first), factor.AsSpan((j * size) + first, j - first));
            factor[(i * size) + j] = rest / factor[(j * size) + j];
        }
    }

    private static void ForStrips(int first, int end, long work, Action<int, int> body, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        int strips = (end - first + Strip - 1) / Strip;
        if (work < ParallelWork) body(first, end);
        else Parallel.For(0, strips, new ParallelOptions { CancellationToken = cancellation }, s => body(first + (s * Strip), Math.Min(end, first + ((s + 1) * Strip))));
    }

    /// <summary>Replaces B by A⁻¹·B.</summary>
    /// <param name="right">B: size rows of <paramref name="columns"/> elements.</param>
    /// <param name="columns">Columns of B.</param>
    public void Solve(double[] right, int columns)
    {
        // Columns are independent; each thread takes a strip of them.
        int strips = (columns + Strip - 1) / Strip;
        Parallel.For(0, strips, new ParallelOptions { CancellationToken = cancellation }, s => Solve(right, columns, s * Strip, Math.Min(Strip, columns - (s * Strip))));
    }

    /// <summary>A⁻¹, row-major.</summary>
    public double[] Inverse()
    {
        var inverse = new double[size * size];
        for (int i = 0; i < size; i++) inverse[(i * size) + i] = 1;
        Solve(inverse, size);
        return inverse;
    }

    /// <summary>L⁻¹, lower triangular, row-major.</summary>
    public double[] InverseOfLower()
    {
        var inverse = new double[size * size];
        Parallel.For(0, (size + Panel - 1) / Panel, new ParallelOptions { CancellationToken = cancellation }, s =>
        {
            int first = s * Panel;
            for (int i = first; i < size; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                int length = Math.Min(Panel, i - first + 1);
                var row = inverse.AsSpan((i * size) + first, length);
                if (i < first + Panel) row[i - first] = 1;
                for (int k = first; k < i; k++)
                {
                    int known = Math.Min(Panel, k - first + 1);
                    Subtract(row[..known], inverse.AsSpan((k * size) + first, known), factor[(i * size) + k]);
                }

                TensorPrimitives.Multiply(row, 1 / factor[(i * size) + i], row);
            }
        });
        return inverse;
    }

    private void Solve(double[] right, int columns, int first, int count)
    {
        for (int i = 0; i < size; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            var row = right.AsSpan((i * columns) + first, count);
            for (int k = 0; k < i; k++) Subtract(row, right.AsSpan((k * columns) + first, count), factor[(i * size) + k]);
            TensorPrimitives.Multiply(row, 1 / factor[(i * size) + i], row);
        }

        for (int i = size - 1; i >= 0; i--)
        {
            cancellation.ThrowIfCancellationRequested();
            var row = right.AsSpan((i * columns) + first, count);
            for (int k = i + 1; k < size; k++) Subtract(row, right.AsSpan((k * columns) + first, count), factor[(k * size) + i]);
            TensorPrimitives.Multiply(row, 1 / factor[(i * size) + i], row);
        }
    }

    private static void Subtract(Span<double> row, ReadOnlySpan<double> other, double scale)
    {
        if (scale != 0) TensorPrimitives.MultiplyAdd(other, -scale, row, row);
    }
}
