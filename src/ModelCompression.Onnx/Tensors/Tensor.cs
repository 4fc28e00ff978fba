namespace ModelCompression.Onnx.Tensors;

/// <summary>
/// An immutable constant: data type, shape and lazily opened bytes. Asking for type, shape or size never touches the bytes.
/// </summary>
public sealed class Tensor
{
    private readonly long[] dims;
    private long nonZeroCount = -1;

    /// <summary>Makes a tensor over <paramref name="data"/>.</summary>
    /// <param name="type">Element type, not <see cref="DataType.String"/>.</param>
    /// <param name="dims">Shape; empty for a scalar.</param>
    /// <param name="data">Exactly as many bytes as type and shape ask for.</param>
    /// <exception cref="ArgumentException">The byte length does not fit type and shape.</exception>
    public Tensor(DataType type, ReadOnlySpan<long> dims, TensorData data)
    {
        DataType = type;
        this.dims = dims.ToArray();
        ElementCount = CountElements(dims);
        Data = data;
        if (type == DataType.String || data.ByteLength != type.ByteLength(ElementCount))
            throw new ArgumentException($"{data.ByteLength} bytes do not hold {ElementCount} elements of {type}.", nameof(data));
    }

    private Tensor(ReadOnlySpan<long> dims, IReadOnlyList<ReadOnlyMemory<byte>> strings)
    {
        DataType = DataType.String;
        this.dims = dims.ToArray();
        ElementCount = CountElements(dims);
        Data = TensorData.FromArray(Array.Empty<byte>());
        Strings = strings;
        if (strings.Count != ElementCount) throw new ArgumentException($"{strings.Count} strings are not the {ElementCount} of the shape.", nameof(strings));
    }

    /// <summary>Element type.</summary>
    public DataType DataType { get; }

    /// <summary>Shape; empty for a scalar.</summary>
    public ReadOnlySpan<long> Dims => dims;

    /// <summary>Number of dimensions.</summary>
    public int Rank => dims.Length;

    /// <summary>Product of <see cref="Dims"/>; 1 for a scalar.</summary>
    public long ElementCount { get; }

    /// <summary>Bytes of the elements; for strings the sum of their lengths.</summary>
    public long ByteLength => Strings is null ? Data.ByteLength : Strings.Sum(s => (long)s.Length);

    /// <summary>The element bytes; empty for strings.</summary>
    public TensorData Data { get; }

    /// <summary>Elements of a <see cref="DataType.String"/> tensor, otherwise null.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>>? Strings { get; }

    /// <summary>Elements other than ±0, once somebody who looked at all of them has counted; null before. The elements never change, so neither does their number.</summary>
    public long? NonZeroCount
    {
        get => Volatile.Read(ref nonZeroCount) is >= 0 and var count ? count : null;
        set => Volatile.Write(ref nonZeroCount, value ?? -1);
    }

    /// <summary>Documentation kept from the file; empty if none.</summary>
    public string DocString { get; init; } = "";

    /// <summary>Metadata and unknown fields of the file, opaque to everything but the serializer.</summary>
    internal object? Opaque { get; init; }

    /// <summary>Makes a tensor over an array of elements, without copying; the array must not be changed afterwards.</summary>
    public static Tensor Create<T>(DataType type, ReadOnlySpan<long> dims, T[] elements) where T : unmanaged =>
        new(type, dims, TensorData.FromArray(elements));

    /// <summary>Makes a float tensor.</summary>
    public static Tensor Float(ReadOnlySpan<long> dims, params float[] elements) => Create(DataType.Float, dims, elements);

    /// <summary>Makes an int64 tensor.</summary>
    public static Tensor Int64(ReadOnlySpan<long> dims, params long[] elements) => Create(DataType.Int64, dims, elements);

    /// <summary>Makes a string tensor.</summary>
    /// <exception cref="ArgumentException">The number of strings does not fit the shape.</exception>
    public static Tensor FromStrings(ReadOnlySpan<long> dims, IReadOnlyList<ReadOnlyMemory<byte>> strings) => new(dims, strings);

    /// <summary>Views the elements without copying.</summary>
    /// <exception cref="NotSupportedException">More than <see cref="int.MaxValue"/> elements.</exception>
    public ReadOnlySpan<T> AsSpan<T>() where T : unmanaged => Data.AsSpan<T>();

    /// <summary>The same elements under another shape with the same number of elements.</summary>
    public Tensor Reshape(params ReadOnlySpan<long> newDims) => Strings is null ? new(DataType, newDims, Data) : new(newDims, Strings);

    /// <summary>The same tensor with what else its file says about it.</summary>
    internal Tensor WithOrigin(string docString, object opaque) => Strings is null
        ? new(DataType, dims, Data) { DocString = docString, Opaque = opaque }
        : new(dims, Strings) { DocString = docString, Opaque = opaque };

    /// <summary>Product of dimensions.</summary>
    /// <exception cref="OverflowException">A dimension is negative or the product does not fit in 63 bits.</exception>
    public static long CountElements(ReadOnlySpan<long> dims)
    {
        long count = 1;
        bool empty = false;
        foreach (long dim in dims)
        {
            if (dim < 0) throw new OverflowException("A tensor dimension is negative.");
            if (dim == 0) empty = true;
            else count = checked(count * dim);
        }

        return empty ? 0 : count;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{DataType}[{string.Join(',', dims)}]";
}
