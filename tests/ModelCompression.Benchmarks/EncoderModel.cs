using System.Globalization;
using System.Runtime.InteropServices;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Benchmarks;

/// <summary>A model with the weights of BERT-base: an embedding table and twelve layers of six matrices. Made for time and memory only.</summary>
internal static class EncoderModel
{
    private const int Layers = 12;
    private const int Width = 768;
    private const int Vocabulary = 30522;

    /// <summary>Writes it and returns the path.</summary>
    public static string Write(string path)
    {
        using var model = new Model(new OnnxGraph("encoder"));
        model.OpsetImports[""] = 17;
        var graph = model.Graph;
        var batch = new Shape(Dimension.OfSymbol("N"), Dimension.OfSymbol("S"));
        var x = Op(graph, "Gather", "embedding", Weight(graph, "table", Vocabulary, Width), graph.AddInput("ids", new TensorType(DataType.Int64, batch)));
        for (int layer = 0; layer < Layers; layer++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"layer{layer}.");
            var (q, k, v) = (Linear(graph, x, name + "q", Width, Width), Linear(graph, x, name + "k", Width, Width), Linear(graph, x, name + "v", Width, Width));
            var mixed = Op(graph, "Mul", name + "mix", Op(graph, "Add", name + "sum", q, k), v);
            x = Op(graph, "Add", name + "residual", x, Linear(graph, mixed, name + "o", Width, Width));
            var inner = Op(graph, "Relu", name + "relu", Linear(graph, x, name + "up", Width, 4 * Width));
            x = Op(graph, "Add", name + "out", x, Linear(graph, inner, name + "down", 4 * Width, Width));
        }

        x.Type = new TensorType(DataType.Float, new Shape([.. batch.Dimensions, Width]));
        graph.AddOutput(x);
        return OnnxWriter.Write(model, path).Path;
    }

    private static Value Linear(OnnxGraph graph, Value x, string name, int rows, int columns) =>
        Op(graph, "Add", name, Op(graph, "MatMul", name + ".matmul", x, Weight(graph, name + ".weight", rows, columns)), Weight(graph, name + ".bias", columns));

    private static Value Op(OnnxGraph graph, string opType, string output, params Value[] inputs) => graph.AddNode(opType, inputs, [output], name: output).Outputs[0]!;

    private static Value Weight(OnnxGraph graph, string name, params long[] dims) =>
        graph.AddInitializer(name, new Tensor(DataType.Float, dims, new GeneratedData(Tensor.CountElements(dims))));

    /// <summary>Pseudo-random weights that exist only while they are written.</summary>
    private sealed class GeneratedData(long count) : TensorData
    {
        public override long ByteLength => count * sizeof(float);

        protected override ref readonly byte First => throw new NotSupportedException("Generated weights are written only.");

        public override IEnumerable<ReadOnlyMemory<byte>> Blocks()
        {
            var random = new Random((int)(count % int.MaxValue));
            for (long at = 0; at < count;)
            {
                float[] block = new float[Math.Min(count - at, 1 << 16)];
                for (int i = 0; i < block.Length; i++) block[i] = (random.NextSingle() - 0.5f) * 0.1f;
                at += block.Length;
                yield return MemoryMarshal.AsBytes(block.AsSpan()).ToArray();
            }
        }
    }
}
