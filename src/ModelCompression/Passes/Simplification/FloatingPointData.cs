using ModelCompression.Onnx.Tensors;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace ModelCompression.Passes.Simplification;

/// <summary>Floating point tensors as doubles and back, each element rounded once (to nearest, ties to even).</summary>
internal static class FloatingPointData
{
    /// <summary>True for binary16, bfloat16, binary32 and binary64.</summary>
    public static bool CanRead(DataType type) => type.IsFloatingPoint();

    /// <summary>The elements, exactly.</summary>
    public static double[] Read(Tensor tensor)
    {
        var result = new double[tensor.ElementCount];
        switch (tensor.DataType)
        {
            case DataType.Float:
                Convert(tensor.AsSpan<float>(), result, v => v);
                break;
            case DataType.Double:
                tensor.AsSpan<double>().CopyTo(result);
                break;
            case DataType.Float16:
                Convert(tensor.AsSpan<Half>(), result, v => (double)v);
                break;
            case DataType.BFloat16:
                Convert(tensor.AsSpan<ushort>(), result, v => BitConverter.UInt32BitsToSingle((uint)v << 16));
                break;
            default:
                throw new ArgumentException($"{tensor.DataType} is not a floating point type.", nameof(tensor));
        }

        return result;
    }

    /// <summary>Rounds doubles to a tensor of <paramref name="type"/>; values beyond its range become infinite.</summary>
    public static Tensor Write(DataType type, ReadOnlySpan<long> dims, double[] values) => type switch
    {
        DataType.Float => Tensor.Create(type, dims, Array.ConvertAll(values, v => (float)v)),
        DataType.Double => Tensor.Create(type, dims, values),
        DataType.Float16 => Tensor.Create(type, dims, Array.ConvertAll(values, v => (Half)v)),
        DataType.BFloat16 => Tensor.Create(type, dims, Array.ConvertAll(values, ToBFloat16)),
        _ => throw new ArgumentException($"{type} is not a floating point type.", nameof(type)),
    };

    /// <summary>True if every element is finite after rounding to the tensor's type.</summary>
    public static bool IsFinite(Tensor tensor)
    {
        if (tensor.DataType == DataType.Float)
        {
            var elements = tensor.AsSpan<float>();
            return elements.IsEmpty || float.IsFinite(TensorPrimitives.MaxMagnitude(elements));
        }

        foreach (double value in Read(tensor))
            if (!double.IsFinite(value)) return false;
        return true;
    }

    private static void Convert<T>(ReadOnlySpan<T> from, Span<double> to, Func<T, double> convert)
    {
        for (int i = 0; i < from.Length; i++) to[i] = convert(from[i]);
    }

    /// <summary>Rounds to odd at binary32 first, so that the second rounding cannot go wrong by having been done twice.</summary>
    private static ushort ToBFloat16(double value)
    {
        float single = (float)value;
        uint bits = BitConverter.SingleToUInt32Bits(single);
        if (float.IsNaN(single)) return (ushort)((bits >> 16) | 0x40);
        if (single != value && !float.IsInfinity(single))
        {
            if (Math.Abs(single) > Math.Abs(value)) bits--;
            bits |= 1;
        }

        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
