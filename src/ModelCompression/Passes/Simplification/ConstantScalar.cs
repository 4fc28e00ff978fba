using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>Reads one-element constants.</summary>
internal static class ConstantScalar
{
    /// <summary>The value of a one-element tensor of a numeric type that a double holds exactly, otherwise null.</summary>
    public static double? TryRead(Tensor tensor)
    {
        if (tensor.ElementCount != 1) return null;
        return tensor.DataType switch
        {
            DataType.Int64 => Math.Abs((double)tensor.AsSpan<long>()[0]) <= 1L << 53 ? tensor.AsSpan<long>()[0] : null,
            DataType.Int32 => tensor.AsSpan<int>()[0],
            _ => FloatingPointData.CanRead(tensor.DataType) ? FloatingPointData.Read(tensor)[0] : null,
        };
    }
}
