using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Pipeline;
using ModelCompression.Tests.Data;

namespace ModelCompression.Tests.Pipeline.Search;

/// <summary>A small classifier with random weights and samples labelled with what it says, so that a search with two dozen trials takes seconds.</summary>
internal sealed class SearchFixture : IDisposable
{
    private static readonly int[] Widths = [64, 160, 96, 10];

    private readonly PipelineFixture pipeline = new();

    public SearchFixture(int samples = 64)
    {
        var random = new Random(7);
        using (var model = Make(random)) OnnxWriter.Write(model, pipeline.Source);
        float[] x = Numbers(random, samples * Widths[0], 1);
        long[] labels = [.. Enumerable.Range(0, samples).Select(i => (long)(i % Widths[^1]))];
        DataPath = ArrayFile.Npz(Path.Combine(pipeline.Folder, "few.npz"), ("x", ArrayFile.Floats($"{samples}, {Widths[0]}", x)), ("labels", ArrayFile.Longs($"{samples},", labels)));
    }

    public PipelineFixture Pipeline => pipeline;

    public string DataPath { get; }

    public CompressionOutcome Search(params (string Name, string Value)[] settings) => pipeline.Run([("Strategy", "Auto"), .. settings]);

    public void Dispose() => pipeline.Dispose();

    private static Model Make(Random random)
    {
        var model = new Model(new OnnxGraph("layers")) { IrVersion = 8 };
        model.OpsetImports[""] = 13;
        var graph = model.Graph;
        var rows = Dimension.OfSymbol("N");
        var value = graph.AddInput("x", new TensorType(DataType.Float, new Shape(rows, Dimension.Of(Widths[0]))));
        for (int layer = 1; layer < Widths.Length; layer++)
        {
            int inputs = Widths[layer - 1], outputs = Widths[layer];
            var weight = graph.AddInitializer($"w{layer}", Tensor.Float([inputs, outputs], Numbers(random, inputs * outputs, Math.Sqrt(6.0 / inputs))));
            value = graph.AddNode("Gemm", [value, weight, graph.AddInitializer($"b{layer}", Tensor.Float([outputs], Numbers(random, outputs, 0.1)))], [$"y{layer}"], name: $"layer{layer}").Outputs[0]!;
            if (layer < Widths.Length - 1) value = graph.AddNode("Relu", [value], [$"r{layer}"]).Outputs[0]!;
        }

        value.Type = new TensorType(DataType.Float, new Shape(rows, Dimension.Of(Widths[^1])));
        graph.AddOutput(value);
        return model;
    }

    private static float[] Numbers(Random random, int count, double size)
    {
        float[] numbers = new float[count];
        for (int i = 0; i < count; i++) numbers[i] = (float)(size * ((2 * random.NextDouble()) - 1));
        return numbers;
    }
}
