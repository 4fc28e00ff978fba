using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using ModelCompression.Onnx.Tensors;
using Tensor = ModelCompression.Onnx.Tensors.Tensor;

namespace ModelCompression.Numerics;

/// <summary>Reads constants of any floating point type as binary32.</summary>
internal static class FloatElements
{
    /// <summary>The tensor itself when it is binary32, else a converted copy; a double outside binary32's range becomes an infinity.</summary>
    /// <exception cref="ArgumentException">Not a floating point type.</exception>
    public static Tensor AsFloat(Tensor tensor)
    {
        if (tensor.DataType == DataType.Float) return tensor;
        var result = new float[checked((int)tensor.ElementCount)];
        switch (tensor.DataType)
        {
            case DataType.Float16:
                TensorPrimitives.ConvertToSingle(tensor.AsSpan<Half>(), result);
                break;
            case DataType.BFloat16:
                var upper = tensor.AsSpan<ushort>();
                var bits = MemoryMarshal.Cast<float, uint>(result.AsSpan());
                for (int i = 0; i < bits.Length; i++) bits[i] = (uint)upper[i] << 16;
                break;
            case DataType.Double:
                TensorPrimitives.ConvertTruncating<double, float>(tensor.AsSpan<double>(), result);
                break;
            default:
                throw new ArgumentException($"{tensor.DataType} is not a floating point type of weights.", nameof(tensor));
        }

        return Tensor.Float(tensor.Dims, result);
    }
}
