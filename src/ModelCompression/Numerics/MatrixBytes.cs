using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Rearranges matrices of bytes.</summary>
internal static class MatrixBytes
{
    /// <summary>Side of the tiles in which a matrix is transposed: source and result of one fit the first-level cache.</summary>
    private const int Tile = 64;

    /// <summary>Adds 128 to every byte, modulo 256: int8 codes become uint8 codes with zero point 128.</summary>
    public static void MakeUnsigned(Span<byte> codes)
    {
        var vectors = MemoryMarshal.Cast<byte, Vector256<byte>>(codes);
        foreach (ref var vector in vectors) vector ^= Vector256.Create((byte)0x80);
        foreach (ref byte code in codes[(vectors.Length * Vector256<byte>.Count)..]) code ^= 0x80;
    }

    /// <summary>Exchanges the last two axes of a stack of row-major matrices.</summary>
    /// <param name="source">A whole number of matrices [<paramref name="rows"/>, <paramref name="columns"/>].</param>
    /// <param name="rows">Rows of each.</param>
    /// <param name="columns">Columns of each.</param>
    public static byte[] Transpose(ReadOnlySpan<byte> source, int rows, int columns)
    {
        byte[] result = GC.AllocateUninitializedArray<byte>(source.Length);
        int matrix = rows * columns;
        for (int start = 0; matrix > 0 && start < source.Length; start += matrix)
        {
            for (int top = 0; top < rows; top += Tile)
                for (int left = 0; left < columns; left += Tile)
                    TransposeTile(source.Slice(start, matrix), result.AsSpan(start, matrix), rows, columns, top, left);
        }

        return result;
    }

    private static void TransposeTile(ReadOnlySpan<byte> source, Span<byte> result, int rows, int columns, int top, int left)
    {
        int bottom = Math.Min(rows, top + Tile), right = Math.Min(columns, left + Tile);
        for (int c = left; c < right; c++)
            for (int r = top; r < bottom; r++) result[(c * rows) + r] = source[(r * columns) + c];
    }
}
