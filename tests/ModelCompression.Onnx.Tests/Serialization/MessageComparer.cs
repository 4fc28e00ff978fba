using System.Collections;
using System.Reflection;
using Google.Protobuf;
using Google.Protobuf.Collections;
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

        if (!Equals(UnknownFields(a), UnknownFields(b))) differences.Add($"{path}: unknown fields differ");
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
        else if (a is float number ? BitConverter.SingleToInt32Bits(number) != BitConverter.SingleToInt32Bits((float)b) : !a.Equals(b))
            differences.Add($"{at}: {Show(a)} / {Show(b)}");
    }

    private static string Show(object value) => value is ByteString bytes ? $"{bytes.Length} bytes" : $"'{value}'";

    /// <summary>Brings the elements into <c>raw_data</c>, by the rules of the specification; lists that do not belong to the type stay.</summary>
    private static void Normalize(TensorProto tensor)
    {
        using var raw = new MemoryStream();
        var writer = new BinaryWriter(raw);
        switch (tensor.DataType)
        {
            case 1 or 14: Move(tensor.FloatData, writer.Write); break;
            case 11 or 15: Move(tensor.DoubleData, writer.Write); break;
            case 7: Move(tensor.Int64Data, writer.Write); break;
            case 13: Move(tensor.Uint64Data, writer.Write); break;
            case 12: Move(tensor.Uint64Data, value => writer.Write((uint)value)); break;
            case 6: Move(tensor.Int32Data, writer.Write); break;
            case 4 or 5 or 10 or 16: Move(tensor.Int32Data, value => writer.Write((short)value)); break;
            default: Move(tensor.Int32Data, value => writer.Write((byte)value)); break;
        }

        if (raw.Length > 0) tensor.RawData = ByteString.CopyFrom(raw.ToArray());
        else if (tensor.RawData.Length == 0) tensor.ClearRawData();
    }

    private static void Move<T>(RepeatedField<T> elements, Action<T> write)
    {
        foreach (var element in elements) write(element);
        elements.Clear();
    }

    /// <summary>The fields that the format does not define; the generated classes keep them but do not show them.</summary>
    private static object? UnknownFields(IMessage message) =>
        message.GetType().GetField("_unknownFields", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(message);
}
