using System.Buffers.Binary;

namespace ModelCompression.Packing;

/// <summary>Neighbouring codes taken together, so that one look-up in a table yields several.</summary>
/// <remarks>With k codes of w bits in a unit, code i of a unit takes its bits i·w…; a unit has 8 to 14 bits. Codes missing at the end count as 0.</remarks>
public static class CodeUnits
{
    private const int CodesPerWord = sizeof(ulong);

    /// <summary>Codes of <paramref name="width"/> (1 to 7) bits in a unit: as many as keep the table of all units below 2^15 elements.</summary>
    public static int CodesPerUnit(int width) => width switch
    {
        1 => 8,
        2 or 3 => 4,
        >= 4 and <= 7 => 2,
        _ => throw new ArgumentOutOfRangeException(nameof(width), width, "Codes of 1 to 7 bits form units."),
    };

    /// <summary>Bits of a unit.</summary>
    public static int Bits(int width) => width * CodesPerUnit(width);

    /// <summary>Bits of a unit below its upper eight: 0, 2, 4 or 6.</summary>
    public static int LowBits(int width) => Bits(width) - 8;

    /// <summary>Units that <paramref name="count"/> codes take.</summary>
    public static long Count(long count, int width) => (count + CodesPerUnit(width) - 1) / CodesPerUnit(width);

    /// <summary>The upper eight bits of every unit.</summary>
    /// <param name="codes">One code per byte.</param>
    /// <param name="width">Bits of a code.</param>
    public static byte[] Upper(ReadOnlySpan<byte> codes, int width) => Take(codes, width, LowBits(width), 0xFF);

    /// <summary>The bits of every unit below its upper eight.</summary>
    /// <param name="codes">One code per byte.</param>
    /// <param name="width">Bits of a code: 3, 5, 6 or 7; others leave none.</param>
    public static byte[] Lower(ReadOnlySpan<byte> codes, int width) => Take(codes, width, 0, (1u << LowBits(width)) - 1);

    private static byte[] Take(ReadOnlySpan<byte> codes, int width, int shift, uint mask)
    {
        int perUnit = CodesPerUnit(width);
        var result = new byte[Count(codes.Length, width)];
        int unitsPerWord = CodesPerWord / perUnit;
        int unit = 0;
        for (; codes.Length >= CodesPerWord; codes = codes[CodesPerWord..], unit += unitsPerWord)
            Spread(Join(BinaryPrimitives.ReadUInt64LittleEndian(codes), width, perUnit) >> shift, 8 * perUnit, mask, result.AsSpan(unit, unitsPerWord));
        if (codes.IsEmpty) return result;
        Span<byte> last = stackalloc byte[CodesPerWord];
        last.Clear();
        codes.CopyTo(last);
        Spread(Join(BinaryPrimitives.ReadUInt64LittleEndian(last), width, perUnit) >> shift, 8 * perUnit, mask, result.AsSpan(unit));
        return result;
    }

    /// <summary>Eight codes, one per byte, to 8/k units, one per lane of k bytes: neighbours move together, then pairs, then fours.</summary>
    private static ulong Join(ulong codes, int width, int perUnit)
    {
        codes = (codes & 0x00FF_00FF_00FF_00FF) | (((codes >> 8) & 0x00FF_00FF_00FF_00FF) << width);
        if (perUnit >= 4) codes = (codes & 0x0000_FFFF_0000_FFFF) | (((codes >> 16) & 0x0000_FFFF_0000_FFFF) << (2 * width));
        return perUnit == 8 ? (codes & 0xFFFF_FFFF) | (codes >> 32 << (4 * width)) : codes;
    }

    private static void Spread(ulong lanes, int laneBits, uint mask, Span<byte> result)
    {
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = (byte)(lanes & mask);
            // A lane of 64 bits is the only one; C# would take a shift by 64 for none.
            lanes = lanes >> (laneBits - 1) >> 1;
        }
    }
}
