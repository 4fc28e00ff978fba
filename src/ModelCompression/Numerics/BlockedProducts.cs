using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Products of rows of a square matrix with each other, in tiles that stay in registers.</summary>
/// <remarks>Each product is summed in four lanes over runs of <see cref="Depth"/> elements: the order is fixed, whatever the tile, the threads and the processor's vectors.</remarks>
internal static class BlockedProducts
{
    private const int Depth = 256;

    /// <summary>A[i, j] −= Σ_{k &lt; depth} A[i, k]·A[j, k] for rows i and columns j, where j ≤ i.</summary>
    /// <param name="matrix">size·size elements, row-major.</param>
    /// <param name="size">Row length.</param>
    /// <param name="fromRow">First i.</param>
    /// <param name="toRow">Behind the last i.</param>
    /// <param name="fromColumn">First j.</param>
    /// <param name="toColumn">Behind the last j.</param>
    /// <param name="depth">Number of products; at most <paramref name="fromColumn"/>.</param>
    public static void Subtract(double[] matrix, int size, int fromRow, int toRow, int fromColumn, int toColumn, int depth)
    {
        for (int k = 0; k < depth; k += Depth)
        {
            int length = Math.Min(Depth, depth - k);
            for (int i = fromRow; i < toRow; i += 2)
                for (int j = fromColumn; j < Math.Min(toColumn, i + 2); j += 4)
                    SubtractTile(matrix, size, i, Math.Min(2, toRow - i), j, Math.Min(4, toColumn - j), k, length);
        }
    }

    /// <summary>Two rows by four columns; what lies above the diagonal is not used by anyone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SubtractTile(double[] matrix, int size, int i, int rows, int j, int columns, int k, int length)
    {
        ref double a = ref MemoryMarshal.GetArrayDataReference(matrix);
        // Rows and columns that do not exist repeat the last one.
        ref double r0 = ref Unsafe.Add(ref a, (i * size) + k), r1 = ref Unsafe.Add(ref a, ((i + Math.Min(1, rows - 1)) * size) + k);
        ref double c0 = ref Unsafe.Add(ref a, (j * size) + k), c1 = ref Unsafe.Add(ref a, ((j + Math.Min(1, columns - 1)) * size) + k);
        ref double c2 = ref Unsafe.Add(ref a, ((j + Math.Min(2, columns - 1)) * size) + k), c3 = ref Unsafe.Add(ref a, ((j + Math.Min(3, columns - 1)) * size) + k);
        Vector256<double> s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
        int at = 0;
        for (; at <= length - Vector256<double>.Count; at += Vector256<double>.Count)
        {
            var x = Vector256.LoadUnsafe(ref r0, (nuint)at);
            var y = Vector256.LoadUnsafe(ref r1, (nuint)at);
            var c = Vector256.LoadUnsafe(ref c0, (nuint)at);
            (s00, s10) = (Vector256.FusedMultiplyAdd(x, c, s00), Vector256.FusedMultiplyAdd(y, c, s10));
            c = Vector256.LoadUnsafe(ref c1, (nuint)at);
            (s01, s11) = (Vector256.FusedMultiplyAdd(x, c, s01), Vector256.FusedMultiplyAdd(y, c, s11));
            c = Vector256.LoadUnsafe(ref c2, (nuint)at);
            (s02, s12) = (Vector256.FusedMultiplyAdd(x, c, s02), Vector256.FusedMultiplyAdd(y, c, s12));
            c = Vector256.LoadUnsafe(ref c3, (nuint)at);
            (s03, s13) = (Vector256.FusedMultiplyAdd(x, c, s03), Vector256.FusedMultiplyAdd(y, c, s13));
        }

        ReadOnlySpan<Vector256<double>> sums = [s00, s01, s02, s03, s10, s11, s12, s13];
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++)
            {
                double sum = Sum(sums[(r * 4) + c]);
                for (int rest = at; rest < length; rest++) sum += matrix[((i + r) * size) + k + rest] * matrix[((j + c) * size) + k + rest];
                matrix[((i + r) * size) + j + c] -= sum;
            }
    }

    private static double Sum(Vector256<double> v) => v[0] + v[1] + (v[2] + v[3]);
}
