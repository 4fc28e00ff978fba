using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.Dynamic;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.Dynamic;

/// <summary>What does not compute with integers and why, which types are chosen, and where weights may be kept.</summary>
[TestClass]
public sealed class QuantizeDynamicallyRuleTests
{
    private static readonly CompressionOptions Dynamic = new() { Quantization = QuantizationMode.Dynamic };

    [TestMethod]
    [DataRow(TargetCpu.Any, DataType.UInt8)]
    [DataRow(TargetCpu.X64, DataType.UInt8)]
    [DataRow(TargetCpu.X64Vnni, DataType.Int8)]
    [DataRow(TargetCpu.Arm64, DataType.Int8)]
    public void SignedWeights_OnlyWhereSumsCannotSaturate(TargetCpu target, DataType type)
    {
        var model = MatMul(new(), new TestModel().RandomTensor(32, 32));
        model.Run(new QuantizeDynamically(), Dynamic with { TargetCpu = target });
        Assert.AreEqual(type, model.Graph.Nodes.Single(n => n.OpType == "MatMulInteger").Input(1)!.Initializer!.DataType);
    }

    [TestMethod]
    [DataRow(TargetCpu.X64Vnni, false, true)]
    [DataRow(TargetCpu.Arm64, false, true)]
    [DataRow(TargetCpu.X64Vnni, true, false)]
    [DataRow(TargetCpu.Any, false, false)]
    [DataRow(TargetCpu.Auto, false, false)]
    public void MachineThatCannotJudgeTheTarget_IsAWarning(TargetCpu target, bool hasVnni, bool warns) =>
        Assert.AreEqual(warns ? "MCB4079" : null, TargetProcessor.WhyNotJudgedHere(target, hasVnni)?.Code);

    [TestMethod]
    public void SmallWeight_StaysFloat() => AssertRefused(MatMul(new(), new TestModel().RandomTensor(8, 8)), Dynamic, "too small");

    [TestMethod]
    public void WeightThatIsNotFinite_StaysFloat()
    {
        float[] elements = [.. Enumerable.Range(0, 32 * 32).Select(i => i == 500 ? float.NaN : i)];
        AssertRefused(MatMul(new(), Tensor.Float([32, 32], elements)), Dynamic, "NaN or infinite");
    }

    [TestMethod]
    public void WeightOfAnotherType_StaysFloat() =>
        AssertRefused(MatMul(new(), Tensor.Create(DataType.Double, [32, 32], new double[1024])), Dynamic, "the weight is Double");

    [TestMethod]
    public void SumThatMayOverflow_StaysFloat() => AssertRefused(MatMul(new(), Tensor.Float([65_800, 1], new float[65_800])), Dynamic, "may not fit 32 bits");

    [TestMethod]
    public void OpsetWithoutBroadcasting_StaysFloat() => AssertRefused(MatMul(new(6), new TestModel().RandomTensor(32, 32)), Dynamic, "opset 6");

    [TestMethod]
    public void Blocks_StayFloat() =>
        AssertRefused(MatMul(new(), new TestModel().RandomTensor(64, 32)), Dynamic with { QuantizationGranularity = QuantizationGranularity.Block }, "not per block");

    [TestMethod]
    public void ExcludedNode_StaysFloat()
    {
        var model = MatMul(new(), new TestModel().RandomTensor(32, 32));
        model.Run(new QuantizeDynamically(), Dynamic with { ExcludeNodes = ["node_MatMul"] });
        CollectionAssert.AreEqual(new[] { "MatMul" }, model.OpTypes());
    }

    [TestMethod]
    [DataRow("gru", "GRU")]
    [DataRow("rnn", "RNN")]
    [DataRow("conv transpose", "ConvTranspose")]
    [DataRow("conv", "slower than float")]
    [DataRow("matmul, weight first", "not constant")]
    public void OperatorWithoutKernel_BecomesWeightOnlyWithTheReason(string name, string reason)
    {
        var model = new TestModel();
        WeightCase.All.Single(c => c.Name == name).Build(model);
        string[] before = OptimizedModel.OpTypes(model.Model);
        var log = new PassLog();
        new QuantizeDynamically().Run(model.Model, new(Dynamic), log);
        new QuantizeWeights().Run(model.Model, new(Dynamic), log);
        var layer = log.Layers.First(l => l.OriginalBytes > 1000);
        Assert.Contains("weight-only", layer.Action);
        Assert.Contains(reason, layer.Reason);
        CollectionAssert.AreEquivalent(before, OptimizedModel.OpTypes(model.Model));
    }

    [TestMethod]
    [DataRow("Log", true)]
    [DataRow("Softmax", false)]
    public void ProductUnderALogarithm_StaysFloat(string end, bool kept)
    {
        var model = new TestModel();
        var scaled = model.Node("Mul", [model.Node("MatMul", [model.Input("x", 4, 32), model.Weight("w", 32, 32)]), model.Constant("c", Tensor.Float([1], [2f]))]);
        model.Output(model.Node(end, [model.Node("Clip", [scaled, model.Constant("least", Tensor.Float([], [1e-6f]))])]));
        var log = model.Run(new QuantizeDynamically(), Dynamic);
        Assert.AreEqual(kept, model.OpTypes().Contains("MatMul"));
        Assert.AreEqual(kept, log.Edits.Any(e => e.Reason.Contains("logarithm", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void ProductOfActivations_IsReported()
    {
        var model = new TestModel();
        var x = model.Input("x", 4, 32);
        model.Output(model.Node("MatMul", [x, model.Node("Transpose", [x])]));
        var log = model.Run(new QuantizeDynamically(), Dynamic);
        Assert.AreEqual("both operands are computed at run time", log.Edits.Single().Reason);
        CollectionAssert.AreEqual(new[] { "Transpose", "MatMul" }, model.OpTypes());
    }

    [TestMethod]
    public void SharedWeightAndActivation_AreQuantizedOnce()
    {
        var model = new TestModel();
        var (x, w) = (model.Input("x", 4, 32), model.Weight("w", 32, 32));
        model.Output(model.Node("MatMul", [x, w]), model.Node("Gemm", [x, w]));
        model.Run(new QuantizeDynamically(), Dynamic);
        Assert.HasCount(1, model.Graph.Initializers.Where(i => i.Initializer!.ElementCount == 1024).ToArray());
        Assert.HasCount(1, model.OpTypes().Where(t => t == "DynamicQuantizeLinear").ToArray());
        Assert.HasCount(2, model.OpTypes().Where(t => t == "MatMulInteger").ToArray());
    }

    [TestMethod]
    public void SharedWeightInAnotherOrder_StaysFloatEverywhere()
    {
        var model = new TestModel();
        var (x, w) = (model.Input("x", 4, 32), model.Weight("w", 32, 32));
        model.Output(model.Node("MatMul", [x, w]), model.Node("Gemm", [x, w], NodeAttribute.Of("transB", 1L)));
        var log = model.Run(new QuantizeDynamically(), Dynamic);
        CollectionAssert.AreEqual(new[] { "MatMul", "Gemm" }, model.OpTypes());
        Assert.Contains(e => !e.Applied && e.Reason.Contains("another form", StringComparison.Ordinal), log.Edits);
    }

    [TestMethod]
    public void TableThatIsAlsoMultiplied_StaysWeightOnly()
    {
        var model = new TestModel();
        var w = model.Weight("w", 40, 32);
        model.Output(model.Node("Gather", [w, model.Input("i", DataType.Int64, 3)]), model.Node("MatMul", [model.Input("x", 2, 40), w]));
        var log = model.Run(new QuantizeDynamically(), Dynamic);
        Assert.Contains(e => !e.Applied && e.Reason.Contains("needs the weight as floats", StringComparison.Ordinal), log.Edits);
    }

    [TestMethod]
    public void WeightInAConstantNodeOfAnOldModel_StaysInOne()
    {
        var model = new TestModel(irVersion: 3);
        var x = model.Input("x", 4, 32);
        var w = model.Graph.AddNode("Constant", [], ["w"], [NodeAttribute.Of("value", model.RandomTensor(32, 32))]).Outputs[0]!;
        model.Output(model.Node("MatMul", [x, w]));
        model.Run(new QuantizeDynamically(), Dynamic);
        Assert.IsEmpty(model.Graph.Initializers);
        CollectionAssert.Contains(model.OpTypes(), "MatMulInteger");
        using var session = Equivalence.Open(OnnxWriter.ToBytes(model.Model));
    }

    [TestMethod]
    [DataRow(9)]
    [DataRow(13)]
    public void FunctionBody_ImportsWhatItsKernelNeeds(int opset)
    {
        var model = new TestModel(17);
        var body = new OnnxGraph("Dense");
        var a = body.AddInput("a", null);
        var w = body.AddNode("Constant", [], ["w"], [NodeAttribute.Of("value", model.RandomTensor(32, 32))]).Outputs[0]!;
        body.AddOutput(body.AddNode("MatMul", [a, w], ["b"]).Outputs[0]!);
        var function = new Function("local", "Dense", body);
        function.OpsetImports[""] = opset;
        model.Model.AddFunction(function);
        model.Model.OpsetImports["local"] = 1;
        var y = model.Graph.AddNode("Dense", [model.Input("x", 4, 32)], ["y"], domain: "local").Outputs[0]!;
        model.Output(y);
        model.Run(new QuantizeDynamically(), Dynamic);
        CollectionAssert.Contains(body.Nodes.Select(n => n.OpType).ToArray(), opset < 11 ? "DynamicQuantizeMatMul" : "MatMulInteger");
        Assert.AreEqual(opset < 11, function.OpsetImports.Contains("com.microsoft"));
        if (opset >= 11) using (Equivalence.Open(OnnxWriter.ToBytes(model.Model))) { }
    }

    private static TestModel MatMul(TestModel model, Tensor weight)
    {
        var x = model.Input("x", weight.DataType, 3, weight.Dims[0]);
        var y = model.Node("MatMul", [x, model.Constant("w", weight)]);
        y.Type = new TensorType(weight.DataType, null);
        model.Output(y);
        return model;
    }

    private static void AssertRefused(TestModel model, CompressionOptions options, string reason)
    {
        var log = model.Run(new QuantizeDynamically(), options);
        Assert.Contains(reason, log.Layers.Single().Reason);
        CollectionAssert.AreEqual(new[] { "MatMul" }, model.OpTypes());
    }
}
