namespace ModelCompression.Onnx.Tensors;

/// <summary>Element types of ONNX tensors; the numbers are those of <c>TensorProto.DataType</c>.</summary>
public enum DataType
{
    /// <summary>Not set.</summary>
    Undefined = 0,

    /// <summary>IEEE 754 binary32.</summary>
    Float = 1,

    /// <summary>Unsigned 8 bit.</summary>
    UInt8 = 2,

    /// <summary>Signed 8 bit.</summary>
    Int8 = 3,

    /// <summary>Unsigned 16 bit.</summary>
    UInt16 = 4,

    /// <summary>Signed 16 bit.</summary>
    Int16 = 5,

    /// <summary>Signed 32 bit.</summary>
    Int32 = 6,

    /// <summary>Signed 64 bit.</summary>
    Int64 = 7,

    /// <summary>Byte strings, UTF-8 by convention.</summary>
    String = 8,

    /// <summary>One byte, 0 or 1.</summary>
    Bool = 9,

    /// <summary>IEEE 754 binary16.</summary>
    Float16 = 10,

    /// <summary>IEEE 754 binary64.</summary>
    Double = 11,

    /// <summary>Unsigned 32 bit.</summary>
    UInt32 = 12,

    /// <summary>Unsigned 64 bit.</summary>
    UInt64 = 13,

    /// <summary>Two binary32.</summary>
    Complex64 = 14,

    /// <summary>Two binary64.</summary>
    Complex128 = 15,

    /// <summary>The upper half of a binary32.</summary>
    BFloat16 = 16,

    /// <summary>Float 8: 4 exponent, 3 mantissa bits, finite.</summary>
    Float8E4M3FN = 17,

    /// <summary>As <see cref="Float8E4M3FN"/> with an unsigned zero.</summary>
    Float8E4M3FNUZ = 18,

    /// <summary>Float 8: 5 exponent, 2 mantissa bits.</summary>
    Float8E5M2 = 19,

    /// <summary>As <see cref="Float8E5M2"/>, finite with an unsigned zero.</summary>
    Float8E5M2FNUZ = 20,

    /// <summary>Unsigned 4 bit, two in a byte, the first in the low half.</summary>
    UInt4 = 21,

    /// <summary>Signed 4 bit, two in a byte, the first in the low half.</summary>
    Int4 = 22,

    /// <summary>Float 4: 2 exponent, 1 mantissa bit, two in a byte.</summary>
    Float4E2M1 = 23,

    /// <summary>Float 8: exponent only.</summary>
    Float8E8M0 = 24,

    /// <summary>Unsigned 2 bit, four in a byte, the first in the lowest bits.</summary>
    UInt2 = 25,

    /// <summary>Signed 2 bit, four in a byte, the first in the lowest bits.</summary>
    Int2 = 26,
}

/// <summary>Sizes and kinds of <see cref="DataType"/>.</summary>
public static class DataTypes
{
    /// <summary>Bits of one element in packed form; 0 for <see cref="DataType.String"/> and <see cref="DataType.Undefined"/>.</summary>
    public static int BitWidth(this DataType type) => type switch
    {
        DataType.UInt2 or DataType.Int2 => 2,
        DataType.UInt4 or DataType.Int4 or DataType.Float4E2M1 => 4,
        DataType.UInt8 or DataType.Int8 or DataType.Bool or DataType.Float8E4M3FN or DataType.Float8E4M3FNUZ
            or DataType.Float8E5M2 or DataType.Float8E5M2FNUZ or DataType.Float8E8M0 => 8,
        DataType.UInt16 or DataType.Int16 or DataType.Float16 or DataType.BFloat16 => 16,
        DataType.Float or DataType.Int32 or DataType.UInt32 => 32,
        DataType.Double or DataType.Int64 or DataType.UInt64 or DataType.Complex64 => 64,
        DataType.Complex128 => 128,
        _ => 0,
    };

    /// <summary>Bytes that <paramref name="elementCount"/> elements take, sub-byte types packed and rounded up.</summary>
    /// <exception cref="OverflowException">The size does not fit in 63 bits.</exception>
    public static long ByteLength(this DataType type, long elementCount) =>
        type.BitWidth() >= 8 ? checked(elementCount * (type.BitWidth() / 8)) : checked((elementCount * type.BitWidth()) + 7) / 8;

    /// <summary>True for the floating point types a weight may have before compression: binary16, bfloat16, binary32 and binary64.</summary>
    public static bool IsFloatingPoint(this DataType type) =>
        type is DataType.Float or DataType.Float16 or DataType.BFloat16 or DataType.Double;

    /// <summary>True if the number is one this library knows, <see cref="DataType.Undefined"/> excluded.</summary>
    public static bool IsKnown(this DataType type) => type is >= DataType.Float and <= DataType.Int2;
}
