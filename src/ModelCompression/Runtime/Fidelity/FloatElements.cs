using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Fidelity;

/// <summary>Reads floating point tensors of any width as doubles.</summary>
internal static class FloatElements
{
    /// <summary>Converts the elements from <paramref name="start"/> on.</summary>
    /// <param name="tensor">A tensor for which <see cref="DataTypes.IsFloatingPoint"/> holds.</param>
    /// <param name="start">First element.</param>
    /// <param name="destination">As many elements as to convert.</param>
    public static void Read(Tensor tensor, int start, Span<double> destination)
    {
        switch (tensor.DataType)
        {
            case DataType.Float:
                var floats = tensor.AsSpan<float>().Slice(start, destination.Length);
                for (int i = 0; i < floats.Length; i++) destination[i] = floats[i];
                break;
            case DataType.Double:
                tensor.AsSpan<double>().Slice(start, destination.Length).CopyTo(destination);
                break;
            case DataType.Float16:
                var halves = tensor.AsSpan<ushort>().Slice(start, destination.Length);
                for (int i = 0; i < halves.Length; i++) destination[i] = (double)BitConverter.UInt16BitsToHalf(halves[i]);
                break;
            case DataType.BFloat16:
                var brains = tensor.AsSpan<ushort>().Slice(start, destination.Length);
                for (int i = 0; i < brains.Length; i++) destination[i] = BitConverter.UInt32BitsToSingle((uint)brains[i] << 16);
                break;
            default:
                throw new ArgumentException($"{tensor.DataType} is not a floating point type.", nameof(tensor));
        }
    }

    /// <summary>All elements.</summary>
    public static double[] ToArray(Tensor tensor)
    {
        var all = new double[tensor.ElementCount];
        Read(tensor, 0, all);
        return all;
    }
}
