using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>What is left alone and why, and where weights may be kept.</summary>
[TestClass]
public sealed class QuantizeWeightsRuleTests
{
    private static readonly CompressionOptions WeightOnly = new() { Quantization = QuantizationMode.WeightOnly, QuantizationFormat = QuantizationFormat.Folded };

    [TestMethod]
    public void SmallWeight_StaysFloat() => AssertRefused(MatMul(new(), new TestModel().RandomTensor(6, 4)), WeightOnly, "too small");

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.NegativeInfinity)]
    public void WeightThatIsNotFinite_StaysFloat(float bad)
    {
        float[] elements = [.. Enumerable.Range(0, 32 * 32).Select(i => i == 500 ? bad : i)];
        AssertRefused(MatMul(new(), Tensor.Float([32, 32], elements)), WeightOnly, "NaN or infinite");
        AssertRefused(MatMul(new(), Tensor.Float([32, 32], elements)), WeightOnly with { QuantizationFormat = QuantizationFormat.Auto }, "NaN or infinite");
    }

    [TestMethod]
    [DataRow(1e28f, QuantizationScheme.Asymmetric, QuantizationGranularity.Channel)]
    [DataRow(1e28f, QuantizationScheme.Symmetric, QuantizationGranularity.Block)]
    [DataRow(1e-42f, QuantizationScheme.Symmetric, QuantizationGranularity.Block)]
    [DataRow(1e-28f, QuantizationScheme.Codebook, QuantizationGranularity.Tensor)]
    public void WeightOfExtremeSize_StaysFloatInFewBits(float size, QuantizationScheme scheme, QuantizationGranularity granularity)
    {
        float[] elements = [.. Enumerable.Range(0, 32 * 32).Select(i => i * size / 1024)];
        AssertRefused(MatMul(new(), Tensor.Float([32, 32], elements)), WeightOnly with { WeightBits = 4, QuantizationScheme = scheme, QuantizationGranularity = granularity }, "extreme size");
    }

    [TestMethod]
    public void OpsetWithoutBroadcasting_StaysFloat() => AssertRefused(MatMul(new(6), new TestModel().RandomTensor(32, 32)), WeightOnly, "opset 6");

    [TestMethod]
    public void ConstantOfUnknownUse_SaysWhatItsUseIs()
    {
        var picked = new TestModel();
        picked.Output(picked.Node("Gather", [picked.Weight("w", 60, 40), picked.Ints(1, 2)], NodeAttribute.Of("axis", 1L)));
        Assert.AreEqual("used by Gather as input 0 with axis 1: only tables whose rows are picked (axis 0) are treated as weights", Reason(picked));

        var deep = new TestModel();
        deep.Output(deep.Node("Gather", [deep.Weight("w", 10, 20, 30), deep.Ints(1, 2)]));
        Assert.AreEqual("used by Gather as input 0 with 3 axes: only tables of rows, with two, are treated as weights", Reason(deep));

        var handed = new TestModel();
        var body = new OnnxGraph("Dense");
        body.AddOutput(body.AddNode("MatMul", [body.AddInput("a", null), body.AddInput("b", null)], ["c"]).Outputs[0]!);
        var function = new Function("local", "Dense", body);
        function.OpsetImports[""] = 13;
        handed.Model.AddFunction(function);
        handed.Model.OpsetImports["local"] = 1;
        handed.Output(handed.Graph.AddNode("Dense", [handed.Input("x", 4, 40), handed.Weight("w", 40, 40)], ["y"], domain: "local").Outputs[0]!);
        Assert.AreEqual("used by Dense as input 1: handed to a function of the model, which every call may give another", Reason(handed));

        static string Reason(TestModel model) => model.Run(new QuantizeWeights(), WeightOnly).Layers.Single().Reason;
    }

    [TestMethod]
    public void ExcludedNodeAndOperator_StayFloat()
    {
        AssertRefused(MatMul(new(), new TestModel().RandomTensor(32, 32)), WeightOnly with { ExcludeOpTypes = ["Mat*"] }, "in ExcludeOpTypes");
        AssertRefused(MatMul(new(), new TestModel().RandomTensor(32, 32)), WeightOnly with { ExcludeNodes = ["node_MatMul"] }, "in ExcludeNodes");
        AssertRefused(MatMul(new(), new TestModel().RandomTensor(32, 32)), WeightOnly with { IncludeOpTypes = ["Conv"] }, "not in IncludeOpTypes");
    }

    [TestMethod]
    public void SharedWeight_IsQuantizedOnce()
    {
        var model = Shared();
        model.Run(new QuantizeWeights(), WeightOnly);
        Assert.HasCount(1, model.Graph.Initializers.Where(i => i.Initializer!.DataType == DataType.Int8).ToArray());
        Assert.HasCount(1, model.OpTypes().Where(t => t == "Mul").ToArray());
        var matMuls = model.Graph.Nodes.Where(n => n.OpType == "MatMul").ToArray();
        Assert.AreSame(matMuls[0].Input(1), matMuls[1].Input(1));
    }

    [TestMethod]
    public void SharedWeightWhoseConsumersDisagree_StaysFloat()
    {
        var model = Shared();
        var log = new PassLog();
        var rule = new CompressionRule(["second"], [], o => o with { QuantizationScheme = QuantizationScheme.Asymmetric });
        new QuantizeWeights().Run(model.Model, new CompressionSettings(WeightOnly, [rule]), log);
        Assert.Contains("quantization settings differ", log.Layers.Single().Reason);
        Assert.DoesNotContain("Mul", model.OpTypes());
    }

    [TestMethod]
    [DataRow(QuantizationFormat.Auto, 8, QuantizationGranularity.Channel)]
    [DataRow(QuantizationFormat.Folded, 8, QuantizationGranularity.Tensor)]
    [DataRow(QuantizationFormat.Auto, 4, QuantizationGranularity.Block)]
    [DataRow(QuantizationFormat.MatMulNBits, 4, QuantizationGranularity.Block)]
    [DataRow(QuantizationFormat.Qdq, 8, QuantizationGranularity.Channel)]
    public void TableThatAClassifierReadsTransposed_IsStoredOnce(QuantizationFormat format, int bits, QuantizationGranularity granularity)
    {
        var expected = Tied();
        var model = Tied();
        var log = model.Run(new QuantizeWeights(), WeightOnly with { QuantizationFormat = format, WeightBits = bits, QuantizationGranularity = granularity });

        Assert.StartsWith("weight-only", log.Layers.Single().Action);
        Assert.IsLessThan(0.3 * log.Layers.Single().OriginalBytes, log.Layers.Single().CompressedBytes);
        Assert.IsFalse(model.Graph.Initializers.Any(i => i.Initializer!.ElementCount == 200 * 64 && i.Initializer.DataType == DataType.Float));
        // 4 bits in blocks leave a twelfth of the largest element at most, per product.
        QuantizeWeightsFormTests.AssertClose(expected.Model, model.Model, relative: bits == 8 ? 0.03 : 0.3);
    }

    [TestMethod]
    public void SettingsOfTheOperatorBehindATranspose_Count()
    {
        var model = Tied();
        var log = new PassLog();
        new QuantizeWeights().Run(model.Model, new CompressionSettings(WeightOnly, [new(["head"], [], o => o with { Quantization = QuantizationMode.None })]), log);
        Assert.Contains("and head, whose quantization settings differ", log.Layers.Single().Reason);

        var other = Tied();
        Assert.Contains("head is in ExcludeNodes", other.Run(new QuantizeWeights(), WeightOnly with { ExcludeNodes = ["head"] }).Layers.Single().Reason);
    }

    private static TestModel Tied()
    {
        var model = new TestModel();
        var table = model.Weight("table", 200, 64);
        var indices = model.Constant("indices", Tensor.Int64([3], 5, 0, 199));
        var rows = model.Node("Add", [model.Node("Gather", [table, indices]), model.Input("x", 3, 64)]);
        var transposed = model.Node("Transpose", [table], NodeAttribute.Of("perm", new long[] { 1, 0 }));
        model.Output(model.Graph.AddNode("MatMul", [rows, transposed], ["y"], name: "head").Outputs[0]!);
        return model;
    }

    [TestMethod]
    public void NodeRule_QuantizesOnlyTheOthers()
    {
        var model = new TestModel();
        var first = model.Graph.AddNode("MatMul", [model.Input("x", 2, 32), model.Weight("a", 32, 32)], ["h"], name: "first").Outputs[0]!;
        model.Output(model.Graph.AddNode("MatMul", [first, model.Weight("b", 32, 32)], ["y"], name: "second").Outputs[0]!);
        var log = new PassLog();
        new QuantizeWeights().Run(model.Model, new CompressionSettings(WeightOnly, [new(["first"], [], o => o with { Quantization = QuantizationMode.None })]), log);
        Assert.AreEqual("unchanged", log.Layers.Single(l => l.Weight == "a").Action);
        Assert.StartsWith("weight-only int8 per channel", log.Layers.Single(l => l.Weight == "b").Action);
    }

    [TestMethod]
    public void ConstantNode_IsReplaced()
    {
        var model = new TestModel(9);
        var weight = model.Node("Constant", [], NodeAttribute.Of("value", model.RandomTensor(32, 40)));
        model.Output(model.Node("MatMul", [model.Input("x", 2, 32), weight]));
        var expected = OnnxReader.Read(OnnxWriter.ToBytes(model.Model));
        var log = model.Run(new QuantizeWeights(), WeightOnly);
        Assert.DoesNotContain("Constant", model.OpTypes());
        AssertNear(expected, model.Model, log);
    }

    [TestMethod]
    public void InitializerListedAsInput_LeavesTheInputs()
    {
        var model = new TestModel(irVersion: 4);
        var x = model.Input("x", 2, 32);
        var weight = model.Input("w", 32, 40);
        model.Graph.SetInitializer(weight, model.RandomTensor(32, 40));
        model.Output(model.Node("MatMul", [x, weight]));
        model.Run(new QuantizeWeights(), WeightOnly);
        Assert.HasCount(1, model.Graph.Inputs);
        Assert.Contains("Mul", OptimizedOrNot(model));
    }

    [TestMethod]
    public void BeforeIr4_ConstantsAreNodes()
    {
        var model = new TestModel(9, irVersion: 3);
        var weight = model.Input("w", 32, 40);
        model.Graph.SetInitializer(weight, model.RandomTensor(32, 40));
        model.Output(model.Node("MatMul", [model.Input("x", 2, 32), weight]));
        var expected = OnnxReader.Read(OnnxWriter.ToBytes(model.Model));
        var log = model.Run(new QuantizeWeights(), WeightOnly);
        Assert.IsEmpty(model.Graph.Initializers);
        AssertNear(expected, model.Model, log);
    }

    [TestMethod]
    [DataRow(DataType.Float16)]
    [DataRow(DataType.Double)]
    public void OtherFloatTypes_AreUnpackedToTheirType(DataType type)
    {
        var model = new TestModel();
        var floats = model.RandomTensor(40, 48).AsSpan<float>().ToArray();
        var tensor = type == DataType.Double
            ? Tensor.Create(type, [40, 48], Array.ConvertAll(floats, f => (double)f))
            : Tensor.Create(type, [40, 48], Array.ConvertAll(floats, f => (Half)f));
        var y = model.Node("MatMul", [model.Input("x", type, 2, 40), model.Constant("w", tensor)]);
        y.Type = new TensorType(type, null);
        model.Output(y);
        var expected = OnnxReader.Read(OnnxWriter.ToBytes(model.Model));
        AssertNear(expected, model.Model, model.Run(new QuantizeWeights(), WeightOnly));
    }

    [TestMethod]
    public void QuantizedTwice_ChangesNothingMore()
    {
        var model = MatMul(new(), new TestModel().RandomTensor(48, 48));
        model.Run(new QuantizeWeights(), WeightOnly);
        byte[] once = OnnxWriter.ToBytes(model.Model);
        model.Run(new QuantizeWeights(), WeightOnly);
        CollectionAssert.AreEqual(once, OnnxWriter.ToBytes(model.Model));
    }

    [TestMethod]
    public void ZerosStayZeros_AndSparseCodesTakeFewerBytes()
    {
        var model = new TestModel();
        float[] pruned = [.. model.RandomTensor(128, 128).AsSpan<float>().ToArray().Select((v, i) => i % 10 == 0 ? v : 0)];
        var log = MatMul(model, Tensor.Float([128, 128], pruned)).Run(new QuantizeWeights(), WeightOnly);
        Assert.IsLessThan(128 * 128 / 3, log.Layers.Single().CompressedBytes);
        Assert.Contains("folded, ", log.Layers.Single().Action);
        CollectionAssert.AreEquivalent(new[] { "MatMul" }, OptimizedModel.OpTypes(model.Model));
    }

    [TestMethod]
    public void Bias_IsStoredAsFloat16_InTheAutomaticFormOnly()
    {
        foreach (var (format, bits) in new[] { (QuantizationFormat.Auto, 16), (QuantizationFormat.Folded, 32) })
        {
            var model = Conv(model => model.RandomTensor(1024));
            var expected = OnnxReader.Read(OnnxWriter.ToBytes(model.Model));
            var log = model.Run(new QuantizeWeights(), WeightOnly with { QuantizationFormat = format });
            Assert.AreEqual(bits, log.Layers.SingleOrDefault(l => l.Weight == "b")?.Bits ?? 32);
            QuantizeWeightsFormTests.AssertClose(expected, model.Model, relative: 0.03);
            CollectionAssert.AreEquivalent(new[] { "Conv" }, OptimizedModel.OpTypes(model.Model));
        }
    }

    [TestMethod]
    [DataRow(1e6f)]
    [DataRow(1e-6f)]
    public void BiasOutsideTheRangeOfBinary16_StaysFloat(float scale)
    {
        var model = Conv(m => Tensor.Float([1024], Array.ConvertAll(m.RandomTensor(1024).AsSpan<float>().ToArray(), v => v * scale)));
        model.Run(new QuantizeWeights(), WeightOnly with { QuantizationFormat = QuantizationFormat.Auto });
        Assert.AreEqual(DataType.Float, model.Graph.Nodes.Single(n => n.Is("Conv")).Input(2)!.Initializer?.DataType);
    }

    [TestMethod]
    public void SameModel_GivesTheSameBytes()
    {
        byte[][] results = [.. Enumerable.Range(0, 2).Select(_ =>
        {
            var model = MatMul(new(), new TestModel().RandomTensor(300, 500));
            model.Run(new QuantizeWeights(), new() { Quantization = QuantizationMode.WeightOnly });
            return OnnxWriter.ToBytes(model.Model);
        })];
        CollectionAssert.AreEqual(results[0], results[1]);
    }

    private static TestModel MatMul(TestModel model, Tensor weight)
    {
        model.Output(model.Node("MatMul", [model.Input("x", 2, weight.Dims[0]), model.Constant("w", weight)]));
        return model;
    }

    private static TestModel Conv(Func<TestModel, Tensor> bias)
    {
        var model = new TestModel();
        model.Output(model.Node("Conv", [model.Input("x", 1, 8, 6), model.Weight("w", 1024, 8, 3), model.Constant("b", bias(model))]));
        return model;
    }

    private static TestModel Shared()
    {
        var model = new TestModel();
        var weight = model.Weight("w", 32, 32);
        var first = model.Graph.AddNode("MatMul", [model.Input("x", 2, 32), weight], ["h"], name: "first").Outputs[0]!;
        model.Output(model.Graph.AddNode("MatMul", [first, weight], ["y"], name: "second").Outputs[0]!);
        return model;
    }

    private static void AssertRefused(TestModel model, CompressionOptions options, string reason)
    {
        byte[] before = OnnxWriter.ToBytes(model.Model);
        var log = model.Run(new QuantizeWeights(), options);
        Assert.Contains(reason, log.Layers.Single().Reason);
        Assert.AreEqual("unchanged", log.Layers.Single().Action);
        Assert.IsFalse(log.Edits.Single().Applied);
        CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(model.Model));
    }

    /// <summary>Weights and inputs lie in about [−1, 1]: an output element is off by at most K·|x|·step/2, far less in practice; 3 % of the largest is a loose bound.</summary>
    private static void AssertNear(Model expected, Model actual, PassLog log)
    {
        Assert.AreEqual(8, log.Layers.Single().Bits, log.Layers.Single().Reason);
        QuantizeWeightsFormTests.AssertClose(expected, actual, relative: 0.03);
    }

    private static string[] OptimizedOrNot(TestModel model) => model.OpTypes();
}
