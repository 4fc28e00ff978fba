using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Rearranges matrices of bytes.</summary>
internal static class MatrixBytes
{
    /// <summary>Side of the tiles in which a matrix is transposed: source and result of one fit the first-level cache.</summary>
    private const int Tile = 64;

    /// <summary>Rows of a block that is transposed in registers.</summary>
    private const int BlockRows = sizeof(ulong);

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
        for (int start = 0; matrix > 0 && start < source.Length; start += matrix) Transpose(source.Slice(start, matrix), result.AsSpan(start, matrix), rows, columns, rows, 0);
        return result;
    }

    /// <summary>Transposes a row-major matrix into a part of a larger one.</summary>
    /// <param name="source">[<paramref name="rows"/>, <paramref name="columns"/>].</param>
    /// <param name="result">From the first byte of the result on.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="pitch">Distance of the rows of the result, at least <paramref name="rows"/>.</param>
    /// <param name="flipped">Bits to invert in every byte.</param>
    public static void Transpose(ReadOnlySpan<byte> source, Span<byte> result, int rows, int columns, int pitch, byte flipped)
    {
        var flips = Vector256.Create(flipped).AsUInt64();
        for (int top = 0; top < rows; top += Tile)
        {
            int bottom = Math.Min(rows, top + Tile), whole = top + ((bottom - top) & -BlockRows);
            for (int left = 0; left < columns; left += Tile)
            {
                int right = Math.Min(columns, left + Tile), even = left + ((right - left) & -Vector256<byte>.Count);
                for (int r = top; r < whole; r += BlockRows)
                    for (int c = left; c < even; c += Vector256<byte>.Count) TransposeBlock(source[((r * columns) + c)..], columns, result[((c * pitch) + r)..], pitch, flips);
                for (int c = left; c < right; c++)
                    for (int r = c < even ? whole : top; r < bottom; r++) result[(c * pitch) + r] = (byte)(source[(r * columns) + c] ^ flipped);
            }
        }
    }

    /// <summary>Transposes eight rows of 32 bytes: in every 64-bit lane, halves, quarters and bytes change places across the diagonal (Warren, "Hacker's Delight", section 7-3).</summary>
    private static void TransposeBlock(ReadOnlySpan<byte> source, int columns, Span<byte> result, int pitch, Vector256<ulong> flips)
    {
        Span<Vector256<ulong>> x = stackalloc Vector256<ulong>[BlockRows];
        for (int i = 0; i < BlockRows; i++) x[i] = Vector256.Create(source.Slice(i * columns, Vector256<byte>.Count)).AsUInt64() ^ flips;
        for (int i = 0; i < 4; i++) Swap(ref x[i], ref x[i + 4], 32, 0x00000000FFFFFFFF);
        for (int i = 0; i < 6; i += i == 1 ? 3 : 1) Swap(ref x[i], ref x[i + 2], 16, 0x0000FFFF0000FFFF);
        for (int i = 0; i < BlockRows; i += 2) Swap(ref x[i], ref x[i + 1], 8, 0x00FF00FF00FF00FF);
        for (int lane = 0, at = 0; lane < Vector256<ulong>.Count; lane++)
            for (int i = 0; i < BlockRows; i++, at += pitch) BinaryPrimitives.WriteUInt64LittleEndian(result.Slice(at, sizeof(ulong)), x[i][lane]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Swap(ref Vector256<ulong> first, ref Vector256<ulong> second, int distance, ulong mask)
    {
        var moved = ((first >> distance) ^ second) & Vector256.Create(mask);
        second ^= moved;
        first ^= moved << distance;
    }
}
