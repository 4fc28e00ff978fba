using System.Numerics.Tensors;

namespace ModelCompression.Numerics;

/// <summary>The lower triangular L with A = L·Lᵀ of a symmetric positive definite matrix.</summary>
/// <remarks>Every element is one dot product in a fixed order: the result does not depend on the number of threads.</remarks>
internal sealed class CholeskyFactor
{
    private const int ParallelFrom = 96;

    private readonly double[] factor;
    private readonly int size;

    private CholeskyFactor(double[] factor, int size)
    {
        this.factor = factor;
        this.size = size;
    }

    /// <summary>Factors a matrix, or returns null when it is not positive definite in binary64.</summary>
    /// <param name="matrix">size·size elements, row-major; only the lower triangle is read.</param>
    /// <param name="size">Rows and columns.</param>
    public static CholeskyFactor? TryCreate(ReadOnlySpan<double> matrix, int size)
    {
        var factor = matrix.ToArray();
        for (int j = 0; j < size; j++)
        {
            var row = factor.AsSpan(j * size, j);
            double pivot = factor[(j * size) + j] - TensorPrimitives.Dot<double>(row, row);
            if (!(pivot > 0) || !double.IsFinite(pivot)) return null;
            double diagonal = factor[(j * size) + j] = Math.Sqrt(pivot);
            int column = j;
            void Row(int i) => factor[(i * size) + column] =
                (factor[(i * size) + column] - TensorPrimitives.Dot<double>(factor.AsSpan(i * size, column), factor.AsSpan(column * size, column))) / diagonal;
            if ((size - j) * (long)j < ParallelFrom * ParallelFrom * 4)
                for (int i = j + 1; i < size; i++) Row(i);
            else Parallel.For(j + 1, size, Row);
        }

        return new(factor, size);
    }

    /// <summary>Replaces B by A⁻¹·B.</summary>
    /// <param name="right">B: size rows of <paramref name="columns"/> elements.</param>
    /// <param name="columns">Columns of B.</param>
    public void Solve(double[] right, int columns)
    {
        // Columns are independent; each thread takes a strip of them.
        const int Strip = 32;
        int strips = (columns + Strip - 1) / Strip;
        Parallel.For(0, strips, s => Solve(right, columns, s * Strip, Math.Min(Strip, columns - (s * Strip))));
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
        const int Strip = 64;
        Parallel.For(0, (size + Strip - 1) / Strip, s =>
        {
            int first = s * Strip;
            for (int i = first; i < size; i++)
            {
                int length = Math.Min(Strip, i - first + 1);
                var row = inverse.AsSpan((i * size) + first, length);
                if (i < first + Strip) row[i - first] = 1;
                for (int k = first; k < i; k++)
                {
                    int known = Math.Min(Strip, k - first + 1);
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
            var row = right.AsSpan((i * columns) + first, count);
            for (int k = 0; k < i; k++) Subtract(row, right.AsSpan((k * columns) + first, count), factor[(i * size) + k]);
            TensorPrimitives.Multiply(row, 1 / factor[(i * size) + i], row);
        }

        for (int i = size - 1; i >= 0; i--)
        {
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
