using System.Numerics;
using System.Runtime.InteropServices;

namespace ModelCompression.Packing;

/// <summary>Packing of small unsigned codes into bytes.</summary>
/// <remarks>
/// Planar order: with r = 8/bits codes in a byte and B bytes, bits i·bits… of byte j hold code i·B + j. Unpacking is one broadcast shift of the row of bytes
/// against a column of r shifts, which a runtime does in long runs, and yields the codes in order. Both directions are exact.
/// </remarks>
public static class BitPlanes
{
    /// <summary>Bytes that <paramref name="count"/> codes of <paramref name="bits"/> (1, 2, 4 or 8) bits take.</summary>
    public static long ByteLength(long count, int bits) => (count + (8 / bits) - 1) / (8 / bits);

    /// <summary>Splits a width of 1–8 bits into the widths 8, 4, 2, 1 that fill bytes without waste, most significant part first.</summary>
    public static ReadOnlySpan<int> Parts(int width) => width switch
    {
        1 => [1],
        2 => [2],
        3 => [2, 1],
        4 => [4],
        5 => [4, 1],
        6 => [4, 2],
        7 => [4, 2, 1],
        8 => [8],
        _ => throw new ArgumentOutOfRangeException(nameof(width), width, "A code has 1 to 8 bits."),
    };

    /// <summary>Packs bits <paramref name="shift"/>… of every code, planar; missing codes at the end count as 0.</summary>
    /// <param name="codes">One code per byte.</param>
    /// <param name="shift">Lowest bit to take.</param>
    /// <param name="bits">Bits to take: 1, 2, 4 or 8.</param>
    /// <param name="packed">Receives <see cref="ByteLength"/> bytes.</param>
    public static void Pack(ReadOnlySpan<byte> codes, int shift, int bits, Span<byte> packed)
    {
        packed.Clear();
        byte mask = (byte)((1 << bits) - 1);
        for (int plane = 0; plane * bits < 8 && (long)plane * packed.Length < codes.Length; plane++)
        {
            int start = plane * packed.Length;
            Merge(codes.Slice(start, Math.Min(packed.Length, codes.Length - start)), shift, mask, plane * bits, packed);
        }
    }

    /// <summary>The inverse of <see cref="Pack"/> with shift 0.</summary>
    public static void Unpack(ReadOnlySpan<byte> packed, int bits, Span<byte> codes)
    {
        int mask = (1 << bits) - 1;
        for (int i = 0; i < codes.Length; i++) codes[i] = (byte)((packed[i % packed.Length] >> (i / packed.Length * bits)) & mask);
    }

    /// <summary>Packs codes of 0–15 as ONNX's uint4 does: two per byte, the first in the low half.</summary>
    public static void PackPairs(ReadOnlySpan<byte> codes, int shift, Span<byte> packed)
    {
        for (int i = 0; i < codes.Length / 2; i++)
            packed[i] = (byte)(((codes[2 * i] >> shift) & 15) | ((codes[(2 * i) + 1] >> shift) << 4));
        if (codes.Length % 2 != 0) packed[codes.Length / 2] = (byte)((codes[^1] >> shift) & 15);
    }

    private static void Merge(ReadOnlySpan<byte> codes, int shift, byte mask, int position, Span<byte> packed)
    {
        var masks = new Vector<byte>(mask);
        var from = MemoryMarshal.Cast<byte, Vector<byte>>(codes);
        var to = MemoryMarshal.Cast<byte, Vector<byte>>(packed);
        for (int i = 0; i < from.Length; i++) to[i] |= ((from[i] >>> shift) & masks) << position;
        for (int i = from.Length * Vector<byte>.Count; i < codes.Length; i++) packed[i] |= (byte)(((codes[i] >> shift) & mask) << position);
    }
}
