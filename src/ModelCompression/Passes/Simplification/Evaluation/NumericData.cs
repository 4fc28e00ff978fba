using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification.Evaluation;

/// <summary>
/// The elements of a small tensor for exact arithmetic: integers and booleans as <see cref="Integers"/>, floating point as <see cref="Reals"/>.
/// </summary>
/// <remarks>
/// Sums, products, quotients and square roots of binary16, bfloat16 and binary32 numbers, computed in binary64 and rounded once more, are the
/// correctly rounded results, since binary64 has more than twice the digits plus two (Figueroa 1995).
/// </remarks>
internal sealed class NumericData
{
    private NumericData(DataType type, long[] dims)
    {
        Type = type;
        Dims = dims;
    }

    public DataType Type { get; }

    public long[] Dims { get; }

    public long[]? Integers { get; private init; }

    public double[]? Reals { get; private init; }

    public int Count => Integers?.Length ?? Reals!.Length;

    public static NumericData Of(DataType type, long[] dims, long[] elements) => new(type, dims) { Integers = elements };

    public static NumericData Of(DataType type, long[] dims, double[] elements) => new(type, dims) { Reals = elements };

    /// <summary>Reads a tensor; null for strings, complex, sub-byte and 8-bit floating point types and for uint64 beyond int64.</summary>
    public static NumericData? TryRead(Tensor? tensor)
    {
        if (tensor is null) return null;
        long[] dims = tensor.Dims.ToArray();
        if (tensor.DataType.IsFloatingPoint()) return Of(tensor.DataType, dims, FloatingPointData.Read(tensor));
        long[]? elements = tensor.DataType switch
        {
            DataType.Int64 => tensor.AsSpan<long>().ToArray(),
            DataType.Int32 => Widen(tensor.AsSpan<int>()),
            DataType.Int16 => Widen(tensor.AsSpan<short>()),
            DataType.Int8 => Widen(tensor.AsSpan<sbyte>()),
            DataType.UInt64 => Widen(tensor.AsSpan<ulong>()),
            DataType.UInt32 => Widen(tensor.AsSpan<uint>()),
            DataType.UInt16 => Widen(tensor.AsSpan<ushort>()),
            DataType.UInt8 or DataType.Bool => Widen(tensor.AsSpan<byte>()),
            _ => null,
        };
        return elements is null ? null : Of(tensor.DataType, dims, elements);
    }

    /// <summary>The tensor; null when an integer does not fit the type.</summary>
    public Tensor? TryWrite()
    {
        if (Reals is not null) return FloatingPointData.Write(Type, Dims, Reals);
        long[] v = Integers!;
        return Type switch
        {
            DataType.Int64 => Tensor.Int64(Dims, v),
            DataType.Int32 => Narrow<int>(v),
            DataType.Int16 => Narrow<short>(v),
            DataType.Int8 => Narrow<sbyte>(v),
            DataType.UInt64 => Narrow<ulong>(v),
            DataType.UInt32 => Narrow<uint>(v),
            DataType.UInt16 => Narrow<ushort>(v),
            DataType.UInt8 or DataType.Bool => Narrow<byte>(v),
            _ => null,
        };
    }

    private static long[]? Widen<T>(ReadOnlySpan<T> elements) where T : unmanaged, System.Numerics.IBinaryInteger<T>
    {
        var result = new long[elements.Length];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = long.CreateTruncating(elements[i]);
            if (T.IsPositive(elements[i]) && result[i] < 0) return null;
        }

        return result;
    }

    private Tensor? Narrow<T>(long[] elements) where T : unmanaged, System.Numerics.IBinaryInteger<T>
    {
        var result = new T[elements.Length];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = T.CreateTruncating(elements[i]);
            if (long.CreateTruncating(result[i]) != elements[i] || (elements[i] < 0 && T.IsPositive(result[i]))) return null;
        }

        return Tensor.Create(Type, Dims, result);
    }
}
