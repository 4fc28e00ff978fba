using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Gradients;

[TestClass]
public sealed class GradientGraphTests
{
    /// <summary>A second output is asked of the pooling that the gradient passes, not of one before the weights or within a branch.</summary>
    [TestMethod]
    public void OutputsOfMaxPool_AreAddedWhereTheGradientNeedsThem()
    {
        using var model = Model(out var weight);
        using var graph = GradientGraph.Build(model, Request(model, weight));
        var pools = graph.Model.Graph.AllNodes().Where(n => n.Is("MaxPool")).ToDictionary(n => n.Outputs[0]!.Name, n => n.Outputs.Count);
        Assert.AreEqual(1, pools["before"]);
        Assert.AreEqual(1, pools["inner"]);
        Assert.AreEqual(2, pools["behind"]);
        using var session = ModelSession.Open(OnnxWriter.ToBytes(graph.Model), "gradients", SessionSettings.Default, ModelRole.Original);
        Assert.IsTrue(model.Graph.AllNodes().All(n => n.Outputs.Count == 1), "The model itself stays as it is.");
    }

    /// <summary>Weights become inputs whether the model stores them or has <c>Constant</c> nodes, also where it returns one.</summary>
    [TestMethod]
    [DataRow(false, false)]
    [DataRow(true, false)]
    [DataRow(false, true)]
    public void Weights_BecomeInputs(bool isConstantNode, bool isReturned)
    {
        using var model = Model(out var weight);
        if (isConstantNode)
        {
            var constant = model.Graph.AddNode("Constant", [], ["constant"], [NodeAttribute.Of("value", weight.Initializer!)], index: 0).Outputs[0]!;
            weight.ReplaceAllUsesWith(constant);
            weight = constant;
        }

        if (isReturned) model.Graph.AddOutput(weight);
        using var graph = GradientGraph.Build(model, Request(model, weight) with { WeightsAreInputs = true, Outputs = ["y"] });
        Assert.HasCount(1, graph.WeightInputs);
        Assert.IsTrue(graph.Model.Graph.Inputs.Any(i => i.Name == graph.WeightInputs[0] && i.Initializer is null));
        using var session = ModelSession.Open(OnnxWriter.ToBytes(graph.Model), "gradients", SessionSettings.Default, ModelRole.Original);
    }

    /// <summary>What a file says of sizes does not hold for the gradients of one batch size; ONNX Runtime keeps blocks of channels only where sizes are numbers.</summary>
    [TestMethod]
    public void SizesOfInputs_AreStatedAsNumbers()
    {
        using var built = Model(out _);
        built.Graph.Inputs[0].Type = new TensorType(DataType.Float, new Shape(Dimension.OfSymbol("n"), Dimension.Of(1), Dimension.Of(8), Dimension.Of(8)));
        using var model = OnnxReader.Read(OnnxWriter.ToBytes(built));
        var request = new GradientRequest([model.Graph.Initializers.Single(i => i.Name == "w")], GradientLossKind.SquaredError, new Dictionary<string, Shape> { ["x"] = Shape.Of(2, 1, 8, 8) });
        using var graph = GradientGraph.Build(model, request);
        using var written = OnnxReader.Read(OnnxWriter.ToBytes(graph.Model));
        Assert.IsTrue(written.Graph.Inputs.All(i => i.TensorType!.Shape!.IsStatic));
    }

    /// <summary>What backward nodes compute of a normalization gives its result, too.</summary>
    [TestMethod]
    public void LayerNormalization_IsWrittenOut()
    {
        using var model = new Model(new OnnxGraph("net")) { IrVersion = 8 };
        model.OpsetImports[""] = 17;
        var graph = model.Graph;
        var x = graph.AddInput("x", new TensorType(DataType.Float, Shape.Of(2, 3)));
        var scale = graph.AddInitializer("scale", Tensor.Float([3], [0.5f, 1, 2]));
        var weight = graph.AddInitializer("w", Tensor.Float([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 10]));
        var normal = graph.AddNode("LayerNormalization", [Op(graph, "MatMul", "product", x, weight), scale], ["normal"]);
        // Read twice: by the loss and by the gradient of a weight.
        var y = Op(graph, "MatMul", "y", normal.Outputs[0]!, weight);
        y.Type = new TensorType(DataType.Float, Shape.Of(2, 3));
        graph.AddOutput(y);

        using var gradients = GradientGraph.Build(model, Request(model, weight));
        Assert.IsFalse(gradients.Model.Graph.Nodes.Any(n => n.Is("LayerNormalization")));
        using var session = ModelSession.Open(OnnxWriter.ToBytes(gradients.Model), "gradients", SessionSettings.Default, ModelRole.Original);
        Assert.IsTrue(graph.Nodes.Any(n => n.Is("LayerNormalization")), "The model itself stays as it is.");
    }

    private static GradientRequest Request(Model model, Value weight) => new([weight], GradientLossKind.SquaredError, new Dictionary<string, Shape> { ["x"] = ((TensorType)model.Graph.Inputs[0].Type!).Shape! });

    /// <summary>MaxPool, Conv, MaxPool, and an If that chooses between the result and a MaxPool of the input.</summary>
    private static Model Model(out Value weight)
    {
        var model = new Model(new OnnxGraph("net")) { IrVersion = 8 };
        model.OpsetImports[""] = 17;
        var graph = model.Graph;
        var x = graph.AddInput("x", new TensorType(DataType.Float, Shape.Of(2, 1, 8, 8)));
        weight = graph.AddInitializer("w", Tensor.Float([1, 1, 1, 1], [0.5f]));
        var y = Pool(graph, Op(graph, "Conv", "conv", Pool(graph, x, "before"), weight), "behind");
        var sum = Op(graph, "Add", "y", y, Op(graph, "ReduceMax", "branch", Branch(graph, x)));
        sum.Type = new TensorType(DataType.Float, Shape.Of(2, 1, 6, 6));
        graph.AddOutput(sum);
        return model;
    }

    private static Value Branch(OnnxGraph graph, Value x)
    {
        var condition = graph.AddInitializer("condition", Tensor.Create(DataType.Bool, [], new byte[] { 1 }));
        var then = new OnnxGraph("then", graph);
        then.AddOutput(Pool(then, x, "inner"));
        var otherwise = new OnnxGraph("else", graph);
        otherwise.AddOutput(Op(otherwise, "Neg", "negative", x));
        return graph.AddNode("If", [condition], ["chosen"], [NodeAttribute.Of("then_branch", then), NodeAttribute.Of("else_branch", otherwise)]).Outputs[0]!;
    }

    private static Value Op(OnnxGraph graph, string type, string name, params Value[] inputs) => graph.AddNode(type, inputs, [name]).Outputs[0]!;

    private static Value Pool(OnnxGraph graph, Value value, string name) => graph.AddNode("MaxPool", [value], [name], [NodeAttribute.Of("kernel_shape", [2L, 2L])]).Outputs[0]!;
}
