using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Analysis;

/// <summary>The inputs of one of the ONNX project's test cases, read without the product's data reader.</summary>
internal sealed class ConformanceCase : SampleSource
{
    private readonly List<NamedValue> inputs = [];

    /// <summary>Reads <c>test_data_set_0/input_*.pb</c> beside a model; null when one is not a plain tensor.</summary>
    public static ConformanceCase? TryRead(string modelPath, Model model)
    {
        var read = new ConformanceCase();
        string folder = Path.Combine(Path.GetDirectoryName(modelPath)!, "test_data_set_0");
        foreach (var (input, i) in model.Graph.Inputs.Select((v, i) => (v, i)))
        {
            string file = Path.Combine(folder, $"input_{i}.pb");
            if (input.TensorType is null || !File.Exists(file)) return null;
            using var holder = OnnxReader.Read(AsInitializer(File.ReadAllBytes(file)));
            var tensor = holder.Graph.Initializers[0].Initializer!;
            read.inputs.Add(new NamedValue(input.Name, new TensorValue(tensor)));
        }

        return read;
    }

    public override SampleOrigin Origin => SampleOrigin.Validation;

    public override int Count => 1;

    public override Sample Read(int attempt, int index) => new(inputs);

    /// <summary>A model with one initializer, assembled by field number: ir_version, opset_import, graph.initializer.</summary>
    private static byte[] AsInitializer(byte[] tensor)
    {
        // The name is repeated at the end, where it wins: not every file has one.
        byte[] graph = [.. Field(2, "g"u8.ToArray()), .. Field(5, [.. tensor, .. Field(8, "t"u8.ToArray())])];
        return [0x08, 8, .. Field(8, [0x10, 17]), .. Field(7, graph)];
    }

    private static byte[] Field(int number, byte[] content)
    {
        List<byte> bytes = [(byte)((number << 3) | 2)];
        uint length = (uint)content.Length;
        for (; length >= 0x80; length >>= 7) bytes.Add((byte)(length | 0x80));
        bytes.Add((byte)length);
        return [.. bytes, .. content];
    }
}
