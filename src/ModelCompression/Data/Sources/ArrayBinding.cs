using ModelCompression.Data.Arrays;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Data.Sources;

/// <summary>How the rows of an array become feeds of an input, or expected values of an output.</summary>
internal sealed class ArrayBinding
{
    private readonly NpyArray array;
    private readonly long rowsPerFeed;

    private ArrayBinding(ModelPort port, NpyArray array, long rowsPerFeed, bool isStacked)
    {
        this.array = array;
        this.rowsPerFeed = rowsPerFeed;
        Port = port;
        IsStacked = isStacked;
        IsShared = array.Rank == 0;
        RowCount = IsShared ? 0 : array.Dims[0];
        FeedCount = IsShared ? 0 : (RowCount + rowsPerFeed - 1) / rowsPerFeed;
    }

    /// <summary>The input or output.</summary>
    public ModelPort Port { get; }

    /// <summary>True when axis 0 only counts samples; false when it is the model's batch axis.</summary>
    public bool IsStacked { get; }

    /// <summary>True for a scalar that is the same in every feed.</summary>
    public bool IsShared { get; }

    /// <summary>Rows along axis 0.</summary>
    public long RowCount { get; }

    /// <summary>Feeds the rows make.</summary>
    public long FeedCount { get; }

    /// <summary>Rows of one feed.</summary>
    public long RowsPerFeed => rowsPerFeed;

    /// <summary>Array name.</summary>
    public string ArrayName => array.Name;

    /// <summary>Binds an array.</summary>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3007 or MCB3008: type or shape do not fit.</exception>
    public static ArrayBinding For(string file, ModelPort port, NpyArray array)
    {
        string what = $"Array '{array.Name}'";
        if (port.Type is not null && port.TensorType is null) throw DataError.Of(file, "MCB3007", $"{what} is a tensor; the model wants {port}, which arrays cannot hold. Use a folder in ONNX's test layout.");
        PortCheck.CheckType(file, what, array.Type, port);
        if (port.TensorType?.Shape is not { } shape) return new(port, array, 1, isStacked: false);
        if (shape.Rank == 0 && array.Rank == 0) return new(port, array, 1, isStacked: true);
        if (array.Rank == shape.Rank + 1 && PortCheck.Fits(shape, array.Dims[1..])) return new(port, array, 1, isStacked: true);
        if (array.Rank == shape.Rank && array.Rank > 0 && PortCheck.Fits(shape, array.Dims, firstAxis: 1))
        {
            long batch = shape[0].Size is > 0 and var size ? size : 1;
            return new(port, array, batch, isStacked: false);
        }

        throw PortCheck.WrongShape(file, what, array.Dims, port, "Axis 0 counts samples; the other sizes must be the model's.");
    }

    /// <summary>The same rows cut into feeds of another size: expected outputs follow the inputs, whatever batch size the output declares.</summary>
    public ArrayBinding WithRowsPerFeed(long rows) => new(Port, array, rows, IsStacked);

    /// <summary>Reads the rows of one feed; a last feed that is not full repeats its last row, unless <paramref name="pad"/> is false.</summary>
    public Tensor Read(int feed, SampleBuffers? buffers, bool pad)
    {
        if (IsShared) return array.ReadAll(buffers);
        if (IsStacked) return array.ReadRows(feed, 1, array.Dims[1..].ToArray(), buffers);
        long first = feed * rowsPerFeed, count = Math.Min(rowsPerFeed, RowCount - first);
        long[] dims = array.Dims.ToArray();
        dims[0] = count;
        var rows = array.ReadRows(first, count, dims, buffers);
        if (count == rowsPerFeed || !pad) return rows;
        dims[0] = rowsPerFeed;
        return RepeatLastRow(rows, dims);
    }

    private static Tensor RepeatLastRow(Tensor rows, long[] dims)
    {
        long count = rows.Dims[0];
        if (rows.Strings is { } strings)
        {
            var last = strings.Skip(strings.Count - (strings.Count / (int)count)).ToArray();
            return Tensor.FromStrings(dims, [.. strings, .. Enumerable.Range(0, (int)(dims[0] - count)).SelectMany(_ => last)]);
        }

        var bytes = rows.AsSpan<byte>();
        int rowLength = bytes.Length / (int)count;
        var padded = new byte[rowLength * dims[0]];
        bytes.CopyTo(padded);
        for (long row = count; row < dims[0]; row++) bytes[^rowLength..].CopyTo(padded.AsSpan((int)(row * rowLength)));
        return Tensor.Create(rows.DataType, dims, padded);
    }
}
