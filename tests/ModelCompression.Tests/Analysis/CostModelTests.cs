using ModelCompression.Analysis.Costs;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Analysis;

[TestClass]
public sealed class CostModelTests
{
    private static readonly Dictionary<string, Shape> NoShapes = [];

    [TestMethod]
    public void Measure_SmallClassifier_MatchesHandComputation()
    {
        // conv 1->32, conv 32->64 (3x3, padding 1), average pool 4, fc 4096->128->10 on 1x32x32.
        var model = GraphFixture.NewModel();
        var pads = NodeAttribute.Of("pads", 1L, 1, 1, 1);
        var x = model.Input("x", "N", 1, 32, 32);
        var c1 = model.Add("Relu", [model.Add("Conv", [x, model.Floats("w1", 32, 1, 3, 3), model.Floats("b1", 32)], pads)]);
        var c2 = model.Add("Relu", [model.Add("Conv", [c1, model.Floats("w2", 64, 32, 3, 3), model.Floats("b2", 64)], pads)]);
        var pooled = model.Add("AveragePool", [c2], NodeAttribute.Of("kernel_shape", 4L, 4), NodeAttribute.Of("strides", 4L, 4));
        var flat = model.Add("Flatten", [pooled]);
        var f1 = model.Add("Relu", [model.Add("Gemm", [flat, model.Floats("w3", 128, 4096), model.Floats("b3", 128)], NodeAttribute.Of("transB", 1))]);
        model.Graph.AddOutput(model.Add("Gemm", [f1, model.Floats("w4", 10, 128), model.Floats("b4", 10)], NodeAttribute.Of("transB", 1)));

        var cost = CostModel.Measure(model, NoShapes);

        Assert.AreEqual((32 * 32 * 32 * 9) + (64 * 32 * 32 * 32 * 9) + (4096 * 128) + (128 * 10), cost.Macs);
        Assert.HasCount(4, cost.Nodes);
        StringAssert.Contains(cost.Notes.Single(), "[1,1,32,32]", StringComparison.Ordinal);
        Assert.AreEqual(320 + 18_496 + 524_416 + 1_290, ParameterCounter.Count(model).Parameters);
        Assert.AreEqual(3 * cost.Macs, CostModel.Measure(model, new Dictionary<string, Shape> { ["x"] = Shape.Of(3, 1, 32, 32) }).Macs);
    }

    [TestMethod]
    public void Measure_GroupedTransposedAndRecurrent_MatchesFormulas()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", 1, 8, 10, 10);
        var grouped = model.Add("Conv", [x, model.Floats("w", 16, 2, 3, 3)], NodeAttribute.Of("group", 4), NodeAttribute.Of("strides", 2L, 2));
        var transposed = model.Add("ConvTranspose", [x, model.Floats("t", 8, 5, 2, 2)], NodeAttribute.Of("strides", 2L, 2));
        var gru = model.Add("GRU", [model.Input("s", 7, 2, 6), model.Floats("gw", 2, 12, 6), model.Floats("gr", 2, 12, 4)], NodeAttribute.Of("hidden_size", 4), NodeAttribute.Of("direction", "bidirectional"));
        var sum = model.Add("Einsum", [model.Input("a", 3, 4, 5), model.Input("b", 3, 5, 6)], NodeAttribute.Of("equation", "bij,bjk->bik"));
        var packed = model.AddMicrosoft("MatMulNBits", [model.Input("p", 2, 9, 64), model.Bytes("q", 32, 2, 16), model.Floats("scale", 64)], NodeAttribute.Of("K", 64), NodeAttribute.Of("N", 32), NodeAttribute.Of("bits", 4), NodeAttribute.Of("block_size", 32));

        var macs = CostModel.Measure(model, NoShapes).Nodes.ToDictionary(n => n.Node, n => n.Macs);

        Assert.AreEqual(16 * 4 * 4 * 2 * 9, macs[grouped.Producer!]);
        Assert.AreEqual(8 * 10 * 10 * 5 * 4, macs[transposed.Producer!]);
        Assert.AreEqual(7 * 2 * 2 * 3 * 4 * (6 + 4), macs[gru.Producer!]);
        Assert.AreEqual(3 * 4 * 5 * 6, macs[sum.Producer!]);
        Assert.AreEqual(2 * 9 * 64 * 32, macs[packed.Producer!]);
    }

    [TestMethod]
    public void Measure_ProductOfConstants_CountsNothing()
    {
        var model = GraphFixture.NewModel();
        var weight = model.Add("MatMul", [model.Floats("left", 8, 3), model.Floats("right", 3, 5)]);
        var product = model.Add("MatMul", [model.Input("x", 2, 8), weight]);
        model.Graph.AddOutput(product);

        var cost = CostModel.Measure(model, NoShapes);

        Assert.AreEqual(2 * 8 * 5, cost.Macs);
        Assert.AreSame(product.Producer, cost.Nodes.Single().Node);
    }

    [TestMethod]
    public void Measure_If_CountsTheLargerBranch_LoopItsRounds()
    {
        var model = GraphFixture.NewModel();
        var x = model.Input("x", 1, 16);
        var small = new OnnxGraph("small", model.Graph);
        small.AddOutput(small.Add("MatMul", [x, model.Floats("w", 16, 4)]));
        var large = new OnnxGraph("large", model.Graph);
        large.AddOutput(large.Add("MatMul", [x, model.Floats("v", 16, 40)]));
        var branch = model.Add("If", [model.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", small), NodeAttribute.Of("else_branch", large));
        var known = AddLoop(model, x, model.Graph.AddInitializer("trips", Tensor.Int64([], 5)));
        var unknown = AddLoop(model, x, model.Input("n", DataType.Int64));

        var cost = CostModel.Measure(model, NoShapes);
        var macs = cost.Nodes.ToDictionary(n => n.Node, n => n.Macs);

        Assert.AreEqual(640, macs[branch.Producer!]);
        Assert.AreEqual(5 * 256, macs[known]);
        Assert.AreEqual(256, macs[unknown]);
        Assert.AreEqual(640 + (6 * 256), cost.Macs);
        Assert.IsTrue(cost.Notes.Any(n => n.Contains("number of rounds", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Count_PartsOfOneStoredConstant_CountEach()
    {
        // Biases in binary16 are stored as one constant, which Split cuts up.
        var model = GraphFixture.NewModel(13);
        var stored = model.Graph.AddInitializer("halves", Tensor.Create(DataType.Float16, [12], new Half[12]));
        var sizes = model.Graph.AddInitializer("sizes", Tensor.Int64([2], 8, 4));
        var split = model.Graph.AddNode("Split", [model.Add("Cast", [stored], NodeAttribute.Of("to", (long)DataType.Float)), sizes], ["a", "b"]);
        model.Graph.AddOutput(model.Add("Add", [model.Input("x", 1, 8), split.Outputs[0]!]));
        model.Graph.AddOutput(model.Add("Add", [model.Input("y", 1, 4), split.Outputs[1]!]));

        Assert.AreEqual(8 + 4, ParameterCounter.Count(model).Parameters);
    }

    [TestMethod]
    public void Count_PackedWeights_CountLogically()
    {
        // Stored in 4 bits, unpacked by operators: 8 x 4 weights, one scale per row.
        var model = GraphFixture.NewModel(21);
        var codes = model.Graph.AddInitializer("codes", Tensor.Create(DataType.UInt4, [8, 4], new byte[16]));
        var weight = model.Add("Mul", [model.Add("Cast", [codes], NodeAttribute.Of("to", (long)DataType.Float)), model.Floats("scale", 8, 1)]);
        model.Graph.AddOutput(model.Add("MatMul", [model.Input("x", 1, 8), weight]));
        model.Graph.AddOutput(model.Add("Add", [model.Input("y", 1, 4), model.Floats("bias", 4)]));

        Assert.AreEqual(32 + 4, ParameterCounter.Count(model).Parameters);
    }

    private static Node AddLoop(Model model, Value x, Value trips)
    {
        var body = new OnnxGraph("body", model.Graph);
        body.AddInput("i", null);
        var keep = body.AddInput("keep", null);
        var carried = body.AddInput("carried", null);
        body.AddOutput(keep);
        body.AddOutput(body.Add("MatMul", [carried, model.Floats("square", 16, 16)]));
        return model.Graph.AddNode("Loop", [trips, null, x], ["after"], [NodeAttribute.Of("body", body)]);
    }
}
