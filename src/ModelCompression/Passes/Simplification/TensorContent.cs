using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Simplification;

/// <summary>
/// Compares constants by type, shape and bytes. Hashing looks at a few positions only, so that large weights which differ, as nearly all do,
/// are told apart after touching a handful of pages; only tensors with equal samples are compared in full.
/// </summary>
internal sealed class TensorContent : IEqualityComparer<Tensor>
{
    private const int Samples = 8;

    public static TensorContent Comparer { get; } = new();

    public bool Equals(Tensor? a, Tensor? b)
    {
        if (ReferenceEquals(a, b)) return true;
        if (a is null || b is null || a.DataType != b.DataType || !a.Dims.SequenceEqual(b.Dims)) return false;
        return a.Strings is null ? HasEqualBytes(a.Data, b.Data) : HasEqualStrings(a.Strings, b.Strings!);
    }

    public int GetHashCode(Tensor tensor)
    {
        var hash = new HashCode();
        hash.Add(tensor.DataType);
        foreach (long dim in tensor.Dims) hash.Add(dim);
        if (tensor.Strings is null) AddSamples(ref hash, tensor.Data);
        else foreach (var text in tensor.Strings.Take(Samples)) hash.AddBytes(text.Span);
        return hash.ToHashCode();
    }

    /// <summary>Adds the bytes at evenly spread positions, the first and the last included.</summary>
    private static void AddSamples(ref HashCode hash, TensorData data)
    {
        if (data.ByteLength > int.MaxValue)
        {
            // Too long for one span: the first block's head is enough to tell tensors of this size apart.
            hash.AddBytes(data.Blocks().First().Span[..Samples]);
            return;
        }

        var bytes = data.AsSpan<byte>();
        if (bytes.Length <= Samples * sizeof(long))
        {
            hash.AddBytes(bytes);
            return;
        }

        long last = bytes.Length - sizeof(long);
        for (int i = 0; i < Samples; i++) hash.AddBytes(bytes.Slice((int)(last * i / (Samples - 1)), sizeof(long)));
    }

    private static bool HasEqualBytes(TensorData a, TensorData b)
    {
        if (a.ByteLength != b.ByteLength) return false;
        return a.Blocks().Zip(b.Blocks()).All(pair => pair.First.Span.SequenceEqual(pair.Second.Span));
    }

    private static bool HasEqualStrings(IReadOnlyList<ReadOnlyMemory<byte>> a, IReadOnlyList<ReadOnlyMemory<byte>> b) =>
        a.Zip(b).All(pair => pair.First.Span.SequenceEqual(pair.Second.Span));
}
