using ModelCompression.Data;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime.Training;
using ModelCompression.Testing;
using ModelCompression.Tests.Data;

namespace ModelCompression.Tests.Gradients;

/// <summary>A small classifier (two linear layers) with random weights, and points around three centres to train it on.</summary>
internal sealed class Blobs : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DataSet? data;
    private readonly DataType type;
    private readonly DataType grid;

    /// <param name="samples">Points.</param>
    /// <param name="labels">Whether the data has labels.</param>
    /// <param name="batch">Fixed batch size, 0 for an open one.</param>
    /// <param name="classes">Centres.</param>
    /// <param name="open">Whether the data is opened.</param>
    /// <param name="type">What the model computes in. bfloat16, which .npz does not have, gets its points in binary32.</param>
    /// <param name="grid">What weights and points are representable in.</param>
    /// <param name="spoilt">Points that get another coordinate.</param>
    public Blobs(int samples = 300, bool labels = true, long batch = 0, int classes = 3, bool open = true, DataType type = DataType.Float, DataType? grid = null, params (int Sample, float Value)[] spoilt)
    {
        this.type = type;
        this.grid = grid ?? type;
        Model = new Model(new OnnxGraph("blobs")) { IrVersion = 8 };
        Model.OpsetImports[""] = 13;
        var random = new Random(4);
        var graph = Model.Graph;
        var rows = batch == 0 ? Dimension.OfSymbol("N") : Dimension.Of(batch);
        var inputType = type == DataType.BFloat16 ? DataType.Float : type;
        var x = graph.AddInput("x", new TensorType(inputType, new Shape(rows, Dimension.Of(8))));
        var points = type == inputType ? x : graph.AddNode("Cast", [x], ["points"], [NodeAttribute.Of("to", (long)type)]).Outputs[0]!;
        var hidden = graph.AddNode("Gemm", [points, graph.AddInitializer("w1", Random(random, 0.5, 8, 24)), graph.AddInitializer("b1", Random(random, 0.1, 24))], ["h"], name: "first").Outputs[0]!;
        var bent = graph.AddNode("Tanh", [hidden], ["r"]).Outputs[0]!;
        var y = graph.AddNode("Gemm", [bent, graph.AddInitializer("w2", Random(random, 0.3, 24, 3)), graph.AddInitializer("b2", Random(random, 0.1, 3))], ["y"], name: "second").Outputs[0]!;
        y.Type = new TensorType(type, new Shape(rows, Dimension.Of(3)));
        graph.AddOutput(y);
        ModelPath = Path.Combine(folder.Path, "blobs.onnx");
        OnnxWriter.Write(Model, ModelPath);

        DataPath = WriteData(random, samples, classes, labels, inputType, spoilt);
        if (open) data = DataSet.Open([DataPath], ModelInterface.Of(Model));
    }

    public Model Model { get; }

    public string ModelPath { get; }

    public string DataPath { get; }

    public DataSet Data => data ?? throw new InvalidOperationException("The data was not opened.");

    public GradientRunner Runner(int threads = 2) => new(Data, ModelPath, threads);

    public float[] Weights(string name) => Model.Graph.Initializers.Single(i => i.Name == name).Initializer is { } tensor ? FloatElements.AsFloat(tensor).AsSpan<float>().ToArray() : [];

    public void Dispose()
    {
        data?.Dispose();
        Model.Dispose();
        folder.Dispose();
    }

    private string WriteData(Random random, int samples, int classes, bool labels, DataType inputType, (int Sample, float Value)[] spoilt)
    {
        var points = new double[samples * 8];
        long[] truth = [.. Enumerable.Range(0, samples).Select(i => (long)(i % classes))];
        for (int i = 0; i < points.Length; i++) points[i] = (float)(random.NextDouble() - 0.5) + (i % 8 % 3 == truth[i / 8] ? 0.6f : 0);
        foreach (var (sample, value) in spoilt) points[(sample * 8) + 5] = value;
        string shape = $"{samples}, 8";
        var tensor = Of(inputType, Rounded([samples, 8], points));
        byte[] x = inputType switch
        {
            DataType.Float16 => ArrayFile.Npy("<f2", shape, tensor.AsSpan<Half>().ToArray()),
            DataType.Double => ArrayFile.Npy("<f8", shape, tensor.AsSpan<double>().ToArray()),
            _ => ArrayFile.Floats(shape, tensor.AsSpan<float>().ToArray()),
        };
        (string, byte[])[] arrays = [("x", x), ("labels", ArrayFile.Longs($"{samples},", truth))];
        return ArrayFile.Npz(Path.Combine(folder.Path, "train.npz"), labels ? arrays : arrays[..1]);
    }

    private Tensor Random(Random random, double size, params long[] dims) =>
        Of(type, Rounded(dims, [.. Enumerable.Range(0, (int)Tensor.CountElements(dims)).Select(_ => (double)(float)(size * ((2 * random.NextDouble()) - 1)))]));

    private Tensor Rounded(long[] dims, double[] values) => FloatingPointData.Write(grid, dims, values);

    private static Tensor Of(DataType type, Tensor exact) => FloatingPointData.Write(type, exact.Dims, FloatingPointData.Read(exact));
}
