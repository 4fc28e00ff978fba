using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Conversion;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Pruning;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.Dynamic;
using ModelCompression.Passes.Simplification;
using ModelCompression.Tests.Passes.Quantization;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Conversion;

[TestClass]
public sealed class RaiseIrVersionTests
{
    [TestMethod]
    [DataRow(7, 3, true)]
    [DataRow(8, 3, true)]
    [DataRow(9, 3, false)]
    [DataRow(8, 4, false)]
    public void BelowOpset9_IntegerConstantsBecomeInitializers(int opset, int irVersion, bool raised)
    {
        var original = Product(opset, irVersion);
        var model = Product(opset, irVersion);

        model.Run(new RaiseIrVersion());
        QuantizeWeightsFormTests.AssertClose(original.Model, model.Model, relative: 0);
        model.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.Folded });

        Assert.AreEqual(raised ? 4 : irVersion, model.Model.IrVersion);
        Assert.AreEqual(opset, model.Model.OpsetImports[""]);
        Assert.AreEqual(opset == 9, model.OpTypes().Contains("Constant"));
        if (raised) CollectionAssert.AreEqual(new[] { "x" }, model.Graph.Inputs.Select(i => i.Name).ToArray());
        QuantizeWeightsFormTests.AssertClose(original.Model, model.Model, relative: 0.02);
    }

    /// <summary>A function has no initializers, whatever the IR version.</summary>
    [TestMethod]
    [DataRow(8, "WeightOnly", 0)]
    [DataRow(8, "Dynamic", 0)]
    [DataRow(8, "None", 0)]
    [DataRow(8, "Float16", 0)]
    [DataRow(9, "WeightOnly", 1)]
    [DataRow(9, "Dynamic", 1)]
    [DataRow(9, "None", 1)]
    public void FunctionBelowOpset9_HoldsNoIntegers(int opset, string quantization, int isCompressed)
    {
        var body = new OnnxGraph("Dense");
        var model = new TestModel(17);
        var w = body.AddNode("Constant", [], ["w"], [NodeAttribute.Of("value", model.RandomTensor(64, 48))]).Outputs[0]!;
        body.AddOutput(body.AddNode("MatMul", [body.AddInput("a", null), w], ["b"], name: "product").Outputs[0]!);
        var function = new Function("local", "Dense", body);
        function.OpsetImports[""] = opset;
        model.Model.AddFunction(function);
        model.Model.OpsetImports["local"] = 1;
        model.Output(model.Graph.AddNode("Dense", [model.Input("x", 3, 64)], ["y"], domain: "local").Outputs[0]!);

        var options = new CompressionOptions { Quantization = Enum.Parse<QuantizationMode>(quantization), Pruning = PruningCriterion.Magnitude, Sparsity = 0.9 };
        ModelPass[] passes = [new PruneByMagnitude(), new QuantizeDynamically(), new QuantizeWeights(), new ConvertToFloat16(), new PackSparseWeights()];
        var log = new PassLog();
        foreach (var pass in passes) pass.Run(model.Model, new CompressionSettings(options), log);

        var stored = body.Nodes.Where(n => n.OpType == "Constant").Select(n => n.Outputs[0]!.TryGetConstant(out var tensor) ? tensor.DataType : DataType.Undefined).ToArray();
        if (opset < 9) Assert.IsTrue(stored.All(t => t is DataType.Float or DataType.Float16), string.Join(", ", stored));
        Assert.AreEqual(isCompressed == 1, stored.Any(t => t is DataType.Int8 or DataType.UInt8 or DataType.Int32 or DataType.Int64), string.Join(", ", stored));
        Assert.AreEqual(isCompressed == 0, log.Layers.Single().Reason.Contains("are floats only at opset 8", StringComparison.Ordinal), log.Layers.Single().Reason);
    }

    [TestMethod]
    [DataRow(8, false)]
    [DataRow(13, true)]
    public void FunctionBelowOpset9_FoldsNoIntegers(int opset, bool folds)
    {
        var body = new OnnxGraph("Sized");
        var model = new TestModel(17);
        var w = body.AddNode("Constant", [], ["w"], [NodeAttribute.Of("value", model.RandomTensor(6, 4))]).Outputs[0]!;
        var sizes = body.AddNode("Shape", [w], ["sizes"]).Outputs[0]!;
        body.AddOutput(body.AddNode("Reshape", [body.AddInput("a", null), sizes], ["b"]).Outputs[0]!);
        var function = new Function("local", "Sized", body);
        function.OpsetImports[""] = opset;
        model.Model.AddFunction(function);
        model.Model.OpsetImports["local"] = 1;
        model.Output(model.Graph.AddNode("Sized", [model.Input("x", 24)], ["y"], domain: "local").Outputs[0]!);

        var log = model.Run(new FoldConstants());

        Assert.AreEqual(!folds, body.Nodes.Any(n => n.OpType == "Shape"));
        if (!folds) Assert.Contains("are floats only at opset 8", log.Edits.Single().Reason);
    }

    private static TestModel Product(int opset, int irVersion)
    {
        var model = new TestModel(opset, irVersion);
        var weight = model.Input("w", 64, 48);
        model.Graph.SetInitializer(weight, model.RandomTensor(64, 48));
        model.Output(model.Node("MatMul", [model.Input("x", 3, 64), weight]));
        return model;
    }
}
