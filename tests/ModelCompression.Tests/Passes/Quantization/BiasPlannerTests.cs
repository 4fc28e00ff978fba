using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

[TestClass]
public sealed class BiasPlannerTests
{
    [TestMethod]
    public void TinyBias_IsRounded_WhereItOnlyTakesUpShifts()
    {
        // Below the normal range of binary16: steps of 6e-8 leave some 35 dB.
        var model = new TestModel();
        var bias = model.Constant("bias", Tensor.Float([32], [.. Enumerable.Range(0, 32).Select(i => 1e-6f * (i - 15.7f) / 9)]));
        model.Output(model.Node("Conv", [model.Input("x", 1, 8, 4, 4), model.Weight("w", 32, 8, 1, 1), bias]));
        var planner = new BiasPlanner(model.Model, WeightOnly.Settings, NameStyle.AsMade);
        var catalog = WeightCatalog.Of(model.Model);
        Assert.IsEmpty(planner.Plan(catalog));
        Assert.AreEqual("bias", planner.Plan(catalog, new HashSet<Node> { model.Model.Graph.Nodes[0] }).Single().Bias.Value.Name);
    }
}
