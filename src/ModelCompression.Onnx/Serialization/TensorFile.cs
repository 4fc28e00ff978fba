using Google.Protobuf;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Serialization;

/// <summary>Reads the files of ONNX's test layout (<c>input_0.pb</c>): a serialized <c>TensorProto</c>, or the <c>SequenceProto</c> or <c>OptionalProto</c> of onnx-data.proto.</summary>
public static class TensorFile
{
    private const int DenseTensorKind = 1;
    private const int SequenceKind = 3;

    /// <summary>Reads one tensor into memory.</summary>
    /// <exception cref="DiagnosticException">MCB3003: the file cannot be read or is no tensor.</exception>
    public static Tensor Read(string path) => Convert(path, () => ToTensor(TensorProto.Parser.ParseFrom(ReadBytes(path))));

    /// <summary>Reads the tensors of a <c>SequenceProto</c>; sequences of anything else are refused.</summary>
    /// <exception cref="DiagnosticException">MCB3003: the file cannot be read or is no sequence of tensors.</exception>
    public static IReadOnlyList<Tensor> ReadSequence(string path) => Convert(path, () => ReadElements(ReadBytes(path), isOptional: false) ?? []);

    /// <summary>Reads an <c>OptionalProto</c>: null when the value is absent, else the one tensor or the tensors of the sequence.</summary>
    /// <exception cref="DiagnosticException">MCB3003: the file cannot be read or holds neither.</exception>
    public static IReadOnlyList<Tensor>? ReadOptional(string path) => Convert(path, () => ReadElements(ReadBytes(path), isOptional: true));

    /// <summary>Both messages: 1 name, 2 kind of element, 3 dense tensors, 5 sequences.</summary>
    private static List<Tensor>? ReadElements(byte[] message, bool isOptional)
    {
        List<Tensor>? tensors = isOptional ? null : [];
        int kind = DenseTensorKind;
        var input = new CodedInputStream(message);
        while (input.ReadTag() is not 0 and var tag)
        {
            if (tag == (2 << 3)) kind = input.ReadInt32();
            else if (tag == ((3 << 3) | 2)) (tensors ??= []).Add(ToTensor(TensorProto.Parser.ParseFrom(input.ReadBytes())));
            else if (tag == ((5 << 3) | 2) && isOptional) tensors = ReadElements(input.ReadBytes().ToByteArray(), isOptional: false);
            else input.SkipLastField();
        }

        bool isKnown = kind is 0 or DenseTensorKind || (isOptional && kind == SequenceKind);
        return isKnown ? tensors : throw new InvalidDataException($"it holds elements of kind {kind}, and only dense tensors ({DenseTensorKind}) can be read");
    }

    private static byte[] ReadBytes(string path)
    {
        FileKind.Require(path);
        return File.ReadAllBytes(path);
    }

    private static T Convert<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or InvalidProtocolBufferException or OverflowException or ArgumentException)
        {
            string message = $"The tensor file cannot be read: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}. Expected a serialized TensorProto; write the data set again.";
            throw new DiagnosticException(Diagnostic.Error("MCB3003", message) with { File = path }, e);
        }
    }

    private static Tensor ToTensor(TensorProto proto)
    {
        var type = (DataType)proto.DataType;
        if (!type.IsKnown()) throw new InvalidDataException($"data type {proto.DataType} is not known");
        if (proto.DataLocation == TensorProto.Types.DataLocation.External) throw new InvalidDataException("its elements are in another file");
        long[] dims = [.. proto.Dims];
        long count = Tensor.CountElements(dims);
        if (type == DataType.String)
        {
            return proto.StringData.Count == count
                ? Tensor.FromStrings(dims, [.. proto.StringData.Select(s => s.Memory)])
                : throw new InvalidDataException($"{proto.StringData.Count} strings do not fill the shape [{string.Join(',', dims)}]");
        }

        byte[] elements = proto.RawData.Length > 0 ? proto.RawData.ToByteArray() : FromTypedFields(proto, type);
        return elements.Length == type.ByteLength(count)
            ? Tensor.Create(type, dims, elements)
            : throw new InvalidDataException($"{elements.Length} bytes of {type} do not fill the shape [{string.Join(',', dims)}]");
    }

    private static byte[] FromTypedFields(TensorProto proto, DataType type) => type switch
    {
        DataType.Float or DataType.Complex64 => ToBytes([.. proto.FloatData], 4, BitConverter.GetBytes),
        DataType.Double or DataType.Complex128 => ToBytes([.. proto.DoubleData], 8, BitConverter.GetBytes),
        DataType.Int64 => ToBytes([.. proto.Int64Data], 8, BitConverter.GetBytes),
        DataType.UInt32 or DataType.UInt64 => ToBytes([.. proto.Uint64Data], type.BitWidth() / 8, BitConverter.GetBytes),
        _ => ToBytes([.. proto.Int32Data], Math.Max(1, type.BitWidth() / 8), BitConverter.GetBytes),
    };

    /// <summary>Keeps the low <paramref name="width"/> bytes of each entry: int32_data holds bytes, 16-bit patterns and booleans in full integers.</summary>
    private static byte[] ToBytes<T>(T[] entries, int width, Func<T, byte[]> encode)
    {
        var bytes = new byte[checked(entries.Length * width)];
        for (int i = 0; i < entries.Length; i++) encode(entries[i]).AsSpan(0, width).CopyTo(bytes.AsSpan(i * width));
        return bytes;
    }
}
