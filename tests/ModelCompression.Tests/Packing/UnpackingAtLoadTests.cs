using Microsoft.ML.OnnxRuntime;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Packing;

namespace ModelCompression.Tests.Packing;

/// <summary>ONNX Runtime must have nothing left to unpack once a session exists, wherever the weight is kept.</summary>
[TestClass]
public sealed class UnpackingAtLoadTests
{
    private static readonly string[] UnpackingOperators =
        ["Gather", "ScatterElements", "Scatter", "CumSum", "NonZero", "BitShift", "Cast", "Div", "Sub", "Mul", "ConstantOfShape", "Reshape", "Slice", "MatMulInteger", "Concat", "Less", "Add", "Range", "Mod"];

    [TestMethod]
    [DataRow(7L)]
    [DataRow(9L)]
    [DataRow(10L)]
    [DataRow(11L)]
    [DataRow(13L)]
    [DataRow(17L)]
    [DataRow(21L)]
    public void Weight_IsFoldedInTheMainGraph(long opset)
    {
        foreach (var storage in new[] { SparseStorage.Auto, SparseStorage.Bitmask, SparseStorage.Dense })
        {
            var model = ModelWithInput(opset, out var x);
            var product = model.Graph.AddNode("MatMul", [x, Packed(model.Graph, storage, opset)], ["y"]);
            Return(model.Graph, product);
            AssertFolded(model);
        }
    }

    [TestMethod]
    public void Weight_IsFoldedInAnIfBody()
    {
        var model = ModelWithInput(13, out var x);
        var condition = model.Graph.AddInput("c", new TensorType(DataType.Bool, Shape.Of()));
        var bodies = new[] { "then_branch", "else_branch" }.Select(name =>
        {
            var body = new OnnxGraph(name, model.Graph);
            Return(body, body.AddNode("MatMul", [x, Packed(body, SparseStorage.Auto, 13)], [name + "_y"]));
            return NodeAttribute.Of(name, body);
        }).ToArray();
        Return(model.Graph, model.Graph.AddNode("If", [condition], ["y"], bodies));
        AssertFolded(model);
    }

    [TestMethod]
    public void Weight_OfTheOuterGraphIsFoldedForItsSubgraphs()
    {
        var model = ModelWithInput(13, out var x);
        var condition = model.Graph.AddInput("c", new TensorType(DataType.Bool, Shape.Of()));
        var weight = Packed(model.Graph, SparseStorage.Auto, 13);
        var bodies = new[] { "then_branch", "else_branch" }.Select(name =>
        {
            var body = new OnnxGraph(name, model.Graph);
            Return(body, body.AddNode("MatMul", [x, weight], [name + "_y"]));
            return NodeAttribute.Of(name, body);
        }).ToArray();
        Return(model.Graph, model.Graph.AddNode("If", [condition], ["y"], bodies));
        AssertFolded(model);
    }

    [TestMethod]
    public void Weight_IsFoldedInALoopBody()
    {
        var model = ModelWithInput(13, out var x);
        var trips = model.Graph.AddInitializer("trips", Tensor.Int64([], 2));
        var body = new OnnxGraph("body", model.Graph);
        body.AddInput("i", new TensorType(DataType.Int64, Shape.Of()));
        var keepOn = body.AddInput("k", new TensorType(DataType.Bool, Shape.Of()));
        var state = body.AddInput("s", new TensorType(DataType.Float, Shape.Of(1, 64)));
        var keptOn = body.AddNode("Identity", [keepOn], ["k2"]).Outputs[0]!;
        keptOn.Type = keepOn.Type;
        body.AddOutput(keptOn);
        Return(body, body.AddNode("MatMul", [state, Packed(body, SparseStorage.Auto, 13)], ["s2"]));
        Return(model.Graph, model.Graph.AddNode("Loop", [trips, null, x], ["y"], [NodeAttribute.Of("body", body)]));
        AssertFolded(model);
    }

    [TestMethod]
    public void Weight_IsFoldedInAFunctionBody()
    {
        var model = ModelWithInput(13, out var x);
        model.IrVersion = 8;
        model.OpsetImports["local"] = 1;
        var body = new OnnxGraph("f");
        var input = body.AddInput("a", null);
        var weight = Packed(body, SparseStorage.Auto, 13, useConstantNodes: true);
        Assert.IsEmpty(body.Initializers);
        body.AddOutput(body.AddNode("MatMul", [input, weight], ["b"]).Outputs[0]!);
        var function = new Function("local", "Layer", body);
        function.OpsetImports[""] = 13;
        model.AddFunction(function);
        Return(model.Graph, model.Graph.AddNode("Layer", [x], ["y"], domain: "local"));
        AssertFolded(model);
    }

    private static Model ModelWithInput(long opset, out Value x)
    {
        var model = ConstantModel.Empty(opset);
        x = model.Graph.AddInput("x", new TensorType(DataType.Float, Shape.Of(1, 64)));
        return model;
    }

    private static void Return(OnnxGraph graph, Node node)
    {
        node.Outputs[0]!.Type = new TensorType(DataType.Float, Shape.Of(1, 64));
        graph.AddOutput(node.Outputs[0]!);
    }

    private static Value Packed(OnnxGraph graph, SparseStorage storage, long opset, bool useConstantNodes = false)
    {
        var random = new Random(1);
        var elements = new float[64 * 64];
        for (int i = 0; i < elements.Length; i++)
            if (random.Next(10) == 0) elements[i] = random.Next(1, 13) / 16f;
        var plan = TensorPacking.Plan(Tensor.Float([64, 64], elements), new PackingRequest(storage, opset) { UseConstantNodes = useConstantNodes });
        Assert.AreNotEqual(PackingKind.Dense, plan.Kind);
        return plan.Emit(graph, null, "w");
    }

    private static void AssertFolded(Model model)
    {
        Assert.IsEmpty(GraphVerifier.Verify(model));
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".onnx");
        try
        {
            using (var options = new SessionOptions { GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_EXTENDED, OptimizedModelFilePath = path, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR })
            using (new InferenceSession(OnnxWriter.ToBytes(model), options))
            {
            }

            using var optimized = OnnxReader.Read(path);
            var left = optimized.AllGraphs().SelectMany(g => g.Nodes).Select(n => n.OpType).ToList();
            Assert.IsEmpty(left.Intersect(UnpackingOperators), string.Join(' ', left));
            Assert.Contains("MatMul", left);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
