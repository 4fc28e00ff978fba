using System.Numerics;

namespace ModelCompression.Passes.Pruning;

/// <summary>Reads stored floating point elements by their bits.</summary>
/// <typeparam name="TBits">Unsigned integer of the element's size.</typeparam>
internal interface IMagnitude<TBits> where TBits : unmanaged, IBinaryInteger<TBits>
{
    /// <summary>All bits but the sign. Ordered like the absolute value; NaNs are above infinity.</summary>
    static abstract TBits MagnitudeMask { get; }

    /// <summary>Bits of infinity.</summary>
    static abstract TBits Infinity { get; }

    /// <summary>The absolute value as the bits of a binary32, the scale on which elements of different types are ranked.</summary>
    static abstract uint Key(TBits bits);
}

/// <summary>IEEE 754 binary32.</summary>
internal readonly struct Binary32 : IMagnitude<uint>
{
    public static uint MagnitudeMask => 0x7FFF_FFFF;

    public static uint Infinity => 0x7F80_0000;

    public static uint Key(uint bits) => bits & 0x7FFF_FFFF;
}

/// <summary>IEEE 754 binary16.</summary>
internal readonly struct Binary16 : IMagnitude<ushort>
{
    public static ushort MagnitudeMask => 0x7FFF;

    public static ushort Infinity => 0x7C00;

    public static uint Key(ushort bits) => BitConverter.SingleToUInt32Bits((float)BitConverter.UInt16BitsToHalf((ushort)(bits & 0x7FFF)));
}

/// <summary>The upper half of a binary32.</summary>
internal readonly struct BrainFloat16 : IMagnitude<ushort>
{
    public static ushort MagnitudeMask => 0x7FFF;

    public static ushort Infinity => 0x7F80;

    public static uint Key(ushort bits) => (uint)(bits & 0x7FFF) << 16;
}

/// <summary>IEEE 754 binary64; ranked by its value rounded to binary32.</summary>
internal readonly struct Binary64 : IMagnitude<ulong>
{
    public static ulong MagnitudeMask => 0x7FFF_FFFF_FFFF_FFFF;

    public static ulong Infinity => 0x7FF0_0000_0000_0000;

    public static uint Key(ulong bits) => BitConverter.SingleToUInt32Bits((float)BitConverter.UInt64BitsToDouble(bits & 0x7FFF_FFFF_FFFF_FFFF));
}
