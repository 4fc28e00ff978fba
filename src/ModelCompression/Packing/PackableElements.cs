using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Packing;

/// <summary>A tensor's elements as unsigned integers of the same size, so that comparing them compares bits.</summary>
internal readonly struct PackableElements<T>(Tensor tensor) where T : unmanaged
{
    public long Count => tensor.ElementCount;

    public ReadOnlySpan<T> Span => tensor.AsSpan<T>();
}
