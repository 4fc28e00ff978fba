namespace ModelCompression.Onnx.Tensors;

/// <summary>A sparse constant as the file states it (<c>SparseTensorProto</c>): values, their positions, and the dense shape.</summary>
/// <param name="Values">Shape [nnz].</param>
/// <param name="Indices">int64; shape [nnz] (linear) or [nnz, rank].</param>
/// <param name="Dims">Dense shape.</param>
public sealed record SparseTensor(Tensor Values, Tensor Indices, IReadOnlyList<long> Dims)
{
    /// <summary>Unknown fields of the file, for the serializer.</summary>
    internal object? Opaque { get; init; }
}
