using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using ModelCompression.Onnx.Serialization.Proto;

namespace ModelCompression.Onnx.Tests.Serialization;

/// <summary>
/// Finds differences between two serialized models, field by field through the descriptors; knows the format, but nothing of reader and writer.
/// Only these are no differences: the form in which a tensor's elements are stored, the order of <c>value_info</c>, the order of nodes (reported
/// apart), an attribute's kind that only one side states.
/// </summary>
internal static class MessageComparer
{
    public static List<string> Compare(byte[] expected, byte[] actual)
    {
        var differences = new List<string>();
        Compare("model", ModelProto.Parser.ParseFrom(expected), ModelProto.Parser.ParseFrom(actual), differences);
        return differences;
    }

    private static void Compare(string path, IMessage a, IMessage b, List<string> differences)
    {
        if (a is TensorProto ta) Normalize(ta);
        if (b is TensorProto tb) Normalize(tb);
        foreach (var field in a.Descriptor.Fields.InDeclarationOrder())
        {
            string at = $"{path}.{field.Name}";
            if (a is AttributeProto aa && b is AttributeProto && field.Name == "type" && !aa.HasType) continue;
            if (field.IsRepeated) CompareList(at, field, (IList)field.Accessor.GetValue(a), (IList)field.Accessor.GetValue(b), differences);
            else CompareOne(at, field, a, b, differences);
        }

        if (!UnknownFields(a).SequenceEqual(UnknownFields(b))) differences.Add($"{path}: unknown fields differ");
    }

    private static void CompareOne(string at, FieldDescriptor field, IMessage a, IMessage b, List<string> differences)
    {
        bool inA = field.Accessor.HasValue(a), inB = field.Accessor.HasValue(b);
        if (inA != inB) differences.Add($"{at}: present {inA} / {inB}");
        else if (inA) CompareValues(at, field.Accessor.GetValue(a), field.Accessor.GetValue(b), differences);
    }

    private static void CompareList(string at, FieldDescriptor field, IList a, IList b, List<string> differences)
    {
        if (a.Count != b.Count)
        {
            differences.Add($"{at}: {a.Count} / {b.Count} entries");
            return;
        }

        if (field.Name == "value_info")
        {
            a = a.Cast<ValueInfoProto>().OrderBy(v => v.Name, StringComparer.Ordinal).ToList();
            b = b.Cast<ValueInfoProto>().OrderBy(v => v.Name, StringComparer.Ordinal).ToList();
        }

        for (int i = 0; i < a.Count; i++) CompareValues($"{at}[{i}]", a[i]!, b[i]!, differences);
    }

    private static void CompareValues(string at, object a, object b, List<string> differences)
    {
        if (a is IMessage message) Compare(at, message, (IMessage)b, differences);
        else if (!a.Equals(b) && !(a is float fa && BitConverter.SingleToInt32Bits(fa) == BitConverter.SingleToInt32Bits((float)b)))
            differences.Add($"{at}: {Show(a)} / {Show(b)}");
    }

    private static string Show(object value) => value is ByteString bytes ? $"{bytes.Length} bytes" : $"'{value}'";

    /// <summary>Brings the elements into <c>raw_data</c>, by the rules of the specification.</summary>
    private static void Normalize(TensorProto tensor)
    {
        using var raw = new MemoryStream();
        var writer = new BinaryWriter(raw);
        int width = tensor.DataType switch { 1 or 6 or 12 or 14 => 4, 4 or 5 or 10 or 16 => 2, 7 or 11 or 13 or 15 => 8, _ => 1 };
        foreach (float value in tensor.FloatData) writer.Write(value);
        foreach (int value in tensor.Int32Data) writer.Write(BitConverter.GetBytes(value), 0, width);
        foreach (long value in tensor.Int64Data) writer.Write(value);
        foreach (double value in tensor.DoubleData) writer.Write(value);
        foreach (ulong value in tensor.Uint64Data) writer.Write(BitConverter.GetBytes(value), 0, width);
        tensor.FloatData.Clear();
        tensor.Int32Data.Clear();
        tensor.Int64Data.Clear();
        tensor.DoubleData.Clear();
        tensor.Uint64Data.Clear();
        if (raw.Length > 0) tensor.RawData = ByteString.CopyFrom(raw.ToArray());
        else if (tensor.RawData.Length == 0) tensor.ClearRawData();
    }

    /// <summary>What is left of a message when all known fields are cleared.</summary>
    private static byte[] UnknownFields(IMessage message)
    {
        var copy = (IMessage)message.GetType().GetMethod("Clone")!.Invoke(message, null)!;
        foreach (var field in copy.Descriptor.Fields.InDeclarationOrder()) field.Accessor.Clear(copy);
        return copy.ToByteArray();
    }
}
