using System.Text;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Data.Arrays;

/// <summary>A NumPy array on disk, read in parts along its first axis. Elements come out little-endian and in row-major order whatever the file has.</summary>
internal sealed class NpyArray : IDisposable
{
    private readonly NpyHeader header;
    private readonly ArrayBytes bytes;
    private readonly string file;
    private readonly Lazy<byte[]> reordered;

    private NpyArray(string file, string name, NpyHeader header, ArrayBytes bytes)
    {
        this.file = file;
        this.header = header;
        this.bytes = bytes;
        Name = name;
        reordered = new(ToRowMajor);
    }

    /// <summary>Array name, without <c>.npy</c>.</summary>
    public string Name { get; }

    /// <summary>Element type.</summary>
    public DataType Type => header.Type;

    /// <summary>Shape.</summary>
    public ReadOnlySpan<long> Dims => header.Dims;

    /// <summary>Number of axes.</summary>
    public int Rank => header.Dims.Length;

    /// <summary>Reads the header and checks the size; no element is read.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3003 or MCB3004.</exception>
    public static NpyArray Open(string file, string name, ArrayBytes bytes)
    {
        var header = NpyHeader.Read(file, name, bytes);
        long expected = Tensor.CountElements(header.Dims) * header.ItemLength, found = bytes.Length - header.DataOffset;
        if (found < expected) throw DataError.Damaged(file, FormattableString.Invariant($"'{name}' of shape [{string.Join(',', header.Dims)}] should have {expected} bytes but has {found}"));
        return new NpyArray(file, name, header, bytes);
    }

    /// <summary>Reads rows of axis 0 as a tensor.</summary>
    /// <param name="first">First row.</param>
    /// <param name="count">Rows to read.</param>
    /// <param name="dims">Shape of the result, with as many elements as the rows have.</param>
    /// <param name="buffers">Memory to read into, or null.</param>
    public Tensor ReadRows(long first, long count, long[] dims, SampleBuffers? buffers = null) => ReadElements(first * RowLength, count * RowLength, dims, buffers);

    /// <summary>Reads everything.</summary>
    /// <param name="buffers">Memory to read into, or null.</param>
    /// <param name="owner">Whose memory of those it is; this array's if null.</param>
    public Tensor ReadAll(SampleBuffers? buffers = null, object? owner = null) => ReadElements(0, Tensor.CountElements(header.Dims), header.Dims, buffers, owner);

    /// <inheritdoc/>
    public void Dispose() => bytes.Dispose();

    private long RowLength => Tensor.CountElements(header.Dims.AsSpan(1));

    private Tensor ReadElements(long first, long count, long[] dims, SampleBuffers? buffers, object? owner = null)
    {
        if (count * header.ItemLength > Array.MaxLength) throw DataError.Of(file, "MCB3004", $"One sample of '{Name}' has more than 2 GiB, which cannot be fed. Split it.");
        long length = count * header.ItemLength;
        byte[] elements = buffers?.For(owner ?? this, length) ?? new byte[length];
        if (header.IsFortranOrder && header.Dims.Length > 1) reordered.Value.AsSpan((int)(first * header.ItemLength), elements.Length).CopyTo(elements);
        else bytes.Read(header.DataOffset + (first * header.ItemLength), elements);
        if (header.Type == DataType.String) return Tensor.FromStrings(dims, ToStrings(elements));
        if (header.IsBigEndian) Swap(elements, header.Type is DataType.Complex64 or DataType.Complex128 ? header.ItemLength / 2 : header.ItemLength);
        return Tensor.Create(header.Type, dims, elements);
    }

    /// <summary>Column-major arrays scatter each sample over the whole file, so they are turned around once, in memory.</summary>
    private byte[] ToRowMajor()
    {
        long count = Tensor.CountElements(header.Dims);
        int size = header.ItemLength;
        if (count * size > Array.MaxLength)
            throw DataError.Of(file, "MCB3004", $"'{Name}' is in Fortran order and larger than 2 GiB. Save numpy.ascontiguousarray(a) instead.");
        byte[] source = new byte[count * size], target = new byte[count * size];
        bytes.Read(header.DataOffset, source);
        var strides = new long[header.Dims.Length];
        for (int axis = 0; axis < strides.Length; axis++) strides[axis] = axis == 0 ? 1 : strides[axis - 1] * header.Dims[axis - 1];
        var index = new long[strides.Length];
        long from = 0;
        for (long to = 0; to < count; to++)
        {
            source.AsSpan((int)(from * size), size).CopyTo(target.AsSpan((int)(to * size)));
            for (int axis = index.Length - 1; axis >= 0; axis--)
            {
                from += strides[axis];
                if (++index[axis] < header.Dims[axis]) break;
                from -= strides[axis] * header.Dims[axis];
                index[axis] = 0;
            }
        }

        return target;
    }

    private ReadOnlyMemory<byte>[] ToStrings(byte[] elements)
    {
        int size = header.ItemLength;
        var strings = new ReadOnlyMemory<byte>[elements.Length / size];
        if (header.IsWideText && header.IsBigEndian) Swap(elements, 4);
        for (int i = 0; i < strings.Length; i++)
        {
            // NumPy fills up with zeros and cannot keep trailing ones itself.
            var item = elements.AsSpan(i * size, size);
            strings[i] = header.IsWideText ? Encoding.UTF8.GetBytes(Encoding.UTF32.GetString(item).TrimEnd('\0')) : item.TrimEnd((byte)0).ToArray();
        }

        return strings;
    }

    private static void Swap(byte[] elements, int size)
    {
        for (int at = 0; at < elements.Length; at += size) elements.AsSpan(at, size).Reverse();
    }
}
