using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;

namespace ModelCompression.Tests.Passes.Simplification;

/// <summary>Builds small models in a few lines. Weights are pseudo-random in [−1, 1] and the same in every run.</summary>
internal sealed class TestModel
{
    private readonly Random random = new(7);

    public TestModel(long opset = 13, long irVersion = 8)
    {
        Graph = new OnnxGraph("test");
        Model = new Model(Graph) { IrVersion = irVersion };
        Model.OpsetImports[""] = opset;
    }

    public Model Model { get; }

    public OnnxGraph Graph { get; private init; }

    public Value Input(string name, params long[] dims) => Input(name, DataType.Float, dims);

    public Value Input(string name, DataType type, params long[] dims) => Graph.AddInput(Graph.NewName(name), new TensorType(type, Shape.Of(dims)));

    public Value Weight(string name, params long[] dims) => Graph.AddInitializer(name, RandomTensor(dims));

    /// <summary>Elements in [0.5, 1.5], as variances are.</summary>
    public Value Positive(string name, params long[] dims) =>
        Graph.AddInitializer(name, Tensor.Float(dims, [.. RandomTensor(dims).AsSpan<float>().ToArray().Select(v => 1 + (v / 2))]));

    public Value Constant(string name, Tensor tensor) => Graph.AddInitializer(name, tensor);

    public Value Ints(params long[] values) => Graph.AddInitializer("ints", Tensor.Int64([values.Length], values));

    public Value Node(string opType, Value?[] inputs, params NodeAttribute[] attributes) => MultiNode(opType, inputs, 1, attributes).Outputs[0]!;

    public Node MultiNode(string opType, Value?[] inputs, int outputs, params NodeAttribute[] attributes) =>
        Graph.AddNode(opType, inputs, Enumerable.Range(0, outputs).Select(i => $"{opType}_out{i}"), attributes, name: Graph.NewName($"node_{opType}"));

    public void Output(params Value[] values)
    {
        foreach (var value in values)
        {
            value.Type ??= new TensorType(DataType.Float, null);
            Graph.AddOutput(value);
        }
    }

    /// <summary>A branch of an If: a graph whose values live in this model's name space.</summary>
    public TestModel Subgraph(string name) => new(Model, new OnnxGraph(name, Graph));

    public Tensor RandomTensor(params long[] dims) =>
        Tensor.Float(dims, [.. Enumerable.Range(0, (int)Tensor.CountElements(dims)).Select(_ => (float)((random.NextDouble() * 2) - 1))]);

    public PassLog Run(ModelPass pass) => Run(pass, new CompressionOptions());

    public PassLog Run(ModelPass pass, CompressionOptions options)
    {
        var log = new PassLog();
        pass.Run(Model, new CompressionSettings(options), log);
        return log;
    }

    /// <summary>Runs a pass, checks that outputs stay within <paramref name="tolerance"/> and that the file does not grow.</summary>
    public PassLog RunEquivalently(ModelPass pass, double tolerance = 0) => Equivalence.Keep(Model, () => Run(pass), tolerance);

    public string[] OpTypes() => [.. Graph.AllNodes().Select(n => n.OpType)];

    private TestModel(Model model, OnnxGraph graph)
    {
        Model = model;
        Graph = graph;
    }
}
