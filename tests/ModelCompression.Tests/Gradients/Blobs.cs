using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Training;
using ModelCompression.Testing;
using ModelCompression.Tests.Data;

namespace ModelCompression.Tests.Gradients;

/// <summary>A small classifier (two linear layers) with random weights, and points around three centres to train it on.</summary>
internal sealed class Blobs : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DataSet? data;

    public Blobs(int samples = 300, bool labels = true, long batch = 0, int classes = 3, bool open = true, params (int Sample, float Value)[] spoilt)
    {
        Model = new Model(new OnnxGraph("blobs")) { IrVersion = 8 };
        Model.OpsetImports[""] = 13;
        var random = new Random(4);
        var graph = Model.Graph;
        var rows = batch == 0 ? Dimension.OfSymbol("N") : Dimension.Of(batch);
        var x = graph.AddInput("x", new TensorType(DataType.Float, new Shape(rows, Dimension.Of(8))));
        var hidden = graph.AddNode("Gemm", [x, graph.AddInitializer("w1", Random(random, 0.5, 8, 24)), graph.AddInitializer("b1", Random(random, 0.1, 24))], ["h"], name: "first").Outputs[0]!;
        var bent = graph.AddNode("Tanh", [hidden], ["r"]).Outputs[0]!;
        var y = graph.AddNode("Gemm", [bent, graph.AddInitializer("w2", Random(random, 0.3, 24, 3)), graph.AddInitializer("b2", Random(random, 0.1, 3))], ["y"], name: "second").Outputs[0]!;
        y.Type = new TensorType(DataType.Float, new Shape(rows, Dimension.Of(3)));
        graph.AddOutput(y);
        ModelPath = Path.Combine(folder.Path, "blobs.onnx");
        OnnxWriter.Write(Model, ModelPath);

        var points = new float[samples * 8];
        long[] truth = [.. Enumerable.Range(0, samples).Select(i => (long)(i % classes))];
        for (int i = 0; i < points.Length; i++) points[i] = (float)(random.NextDouble() - 0.5) + (i % 8 % 3 == truth[i / 8] ? 0.6f : 0);
        foreach (var (sample, value) in spoilt) points[(sample * 8) + 5] = value;
        (string, byte[])[] arrays = [("x", ArrayFile.Floats($"{samples}, 8", points)), ("labels", ArrayFile.Longs($"{samples},", truth))];
        DataPath = ArrayFile.Npz(Path.Combine(folder.Path, "train.npz"), labels ? arrays : arrays[..1]);
        if (open) data = DataSet.Open([DataPath], ModelInterface.Of(Model));
    }

    public Model Model { get; }

    public string ModelPath { get; }

    public string DataPath { get; }

    public DataSet Data => data ?? throw new InvalidOperationException("The data was not opened.");

    public GradientRunner Runner(int threads = 2) => new(Data, ModelPath, threads);

    public float[] Weights(string name) => Model.Graph.Initializers.Single(i => i.Name == name).Initializer!.AsSpan<float>().ToArray();

    public void Dispose()
    {
        data?.Dispose();
        Model.Dispose();
        folder.Dispose();
    }

    private static Tensor Random(Random random, double size, params long[] dims) =>
        Tensor.Float(dims, [.. Enumerable.Range(0, (int)Tensor.CountElements(dims)).Select(_ => (float)(size * ((2 * random.NextDouble()) - 1)))]);
}
