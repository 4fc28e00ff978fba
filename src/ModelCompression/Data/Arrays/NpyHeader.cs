using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Data.Arrays;

/// <summary>The header of a NumPy array file, format 1.0 to 3.0.</summary>
/// <param name="Type">Element type in ONNX terms; <see cref="DataType.String"/> for fixed-width text.</param>
/// <param name="ItemLength">Bytes of one element in the file.</param>
/// <param name="IsBigEndian">Whether elements must be reversed.</param>
/// <param name="IsWideText">True for UTF-32 text (<c>U</c>), false for bytes (<c>S</c>).</param>
/// <param name="IsFortranOrder">Whether the first axis runs fastest.</param>
/// <param name="Dims">Shape.</param>
/// <param name="DataOffset">Where the elements start.</param>
internal sealed partial record NpyHeader(DataType Type, int ItemLength, bool IsBigEndian, bool IsWideText, bool IsFortranOrder, long[] Dims, long DataOffset)
{
    private const int MaxLength = 1 << 20;
    private static readonly byte[] Magic = [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>Reads the header at the start of <paramref name="bytes"/>.</summary>
    /// <param name="file">File for messages.</param>
    /// <param name="name">Array name for messages.</param>
    /// <param name="bytes">The whole array file.</param>
    /// <exception cref="Onnx.Diagnostics.DiagnosticException">MCB3003: no array file or cut short. MCB3004: an element type that cannot be fed.</exception>
    public static NpyHeader Read(string file, string name, ArrayBytes bytes)
    {
        var start = new byte[12];
        if (bytes.Length < start.Length) throw DataError.Damaged(file, $"'{name}' is too short for a NumPy array");
        bytes.Read(0, start);
        if (!start.AsSpan(0, Magic.Length).SequenceEqual(Magic)) throw DataError.Damaged(file, $"'{name}' is no NumPy array (it does not start with \\x93NUMPY)");
        if (start[6] is not (1 or 2 or 3)) throw DataError.Damaged(file, $"'{name}' has the unknown NumPy format {start[6]}.{start[7]}");
        int prefix = start[6] == 1 ? 10 : 12;
        long length = start[6] == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(start.AsSpan(8)) : BinaryPrimitives.ReadUInt32LittleEndian(start.AsSpan(8));
        if (length > MaxLength || prefix + length > bytes.Length) throw DataError.Damaged(file, $"the header of '{name}' is cut short");
        var text = new byte[length];
        bytes.Read(prefix, text);
        return Parse(file, name, (start[6] == 3 ? Encoding.UTF8 : Encoding.Latin1).GetString(text), prefix + length);
    }

    private static NpyHeader Parse(string file, string name, string text, long dataOffset)
    {
        if (StructuredPattern().IsMatch(text)) throw Unsupported(file, name, "records");
        var descr = DescrPattern().Match(text);
        var order = OrderPattern().Match(text);
        var shape = ShapePattern().Match(text);
        if (!descr.Success || !order.Success || !shape.Success) throw DataError.Damaged(file, $"the header of '{name}' is not understood");
        var (type, width) = TypeOf(descr.Groups["kind"].Value[0], descr.Groups["width"].Value) ?? throw Unsupported(file, name, descr.Groups[1].Value);
        return new NpyHeader(
            type,
            width,
            descr.Groups["order"].Value == ">",
            descr.Groups["kind"].Value == "U",
            order.Groups[1].Value == "True",
            ParseShape(file, name, shape.Groups[1].Value),
            dataOffset);
    }

    private static long[] ParseShape(string file, string name, string text)
    {
        try
        {
            long[] dims = [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(d => long.Parse(d.TrimEnd('L'), NumberStyles.None, CultureInfo.InvariantCulture))];
            _ = checked(Tensor.CountElements(dims) * 16);
            return dims;
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw DataError.Damaged(file, $"'{name}' has the impossible shape ({text})", e);
        }
    }

    private static (DataType Type, int Width)? TypeOf(char kind, string digits)
    {
        if (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int width) || width > (1 << 20)) return null;
        DataType? type = (kind, width) switch
        {
            ('f', 2) => DataType.Float16,
            ('f', 4) => DataType.Float,
            ('f', 8) => DataType.Double,
            ('i', 1) => DataType.Int8,
            ('i', 2) => DataType.Int16,
            ('i', 4) => DataType.Int32,
            ('i', 8) => DataType.Int64,
            ('u', 1) => DataType.UInt8,
            ('u', 2) => DataType.UInt16,
            ('u', 4) => DataType.UInt32,
            ('u', 8) => DataType.UInt64,
            ('b', 1) => DataType.Bool,
            ('c', 8) => DataType.Complex64,
            ('c', 16) => DataType.Complex128,
            ('V', 2) => DataType.BFloat16, // how NumPy writes the bfloat16 of ml_dtypes
            ('S', > 0) or ('U', > 0) => DataType.String,
            _ => null,
        };
        return type is { } known ? (known, kind == 'U' ? width * 4 : width) : null;
    }

    private static Onnx.Diagnostics.DiagnosticException Unsupported(string file, string name, string type) => DataError.Of(
        file,
        "MCB3004",
        $"'{name}' has NumPy elements of type {type}, which cannot be fed to a model{(type.Contains('O', StringComparison.Ordinal) ? " (Python objects are stored pickled)" : "")}. Convert it, e.g. numpy.asarray(a, dtype=numpy.float32), and save again.");

    [GeneratedRegex(@"['""]descr['""]\s*:\s*\[")]
    private static partial Regex StructuredPattern();

    [GeneratedRegex(@"['""]descr['""]\s*:\s*['""]((?<order>[<>|=]?)(?<kind>[A-Za-z])(?<width>\d*)[^'""]*)['""]")]
    private static partial Regex DescrPattern();

    [GeneratedRegex(@"['""]fortran_order['""]\s*:\s*(True|False)")]
    private static partial Regex OrderPattern();

    [GeneratedRegex(@"['""]shape['""]\s*:\s*\(([\d,\sL]*)\)")]
    private static partial Regex ShapePattern();
}
