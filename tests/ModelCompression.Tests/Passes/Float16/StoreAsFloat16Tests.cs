using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Pruning;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Float16;

/// <summary>The stored form: binary16 in the file, binary32 at work.</summary>
[TestClass]
public sealed class StoreAsFloat16Tests
{
    private static readonly CompressionOptions Options = new() { Quantization = QuantizationMode.Float16, QuantizationFormat = QuantizationFormat.Folded };

    /// <summary>Inputs lie in [−4, 4] and weights in [−1, 1], so a sum over n products is off by at most 4n half steps of 2⁻¹¹, and by binary32 rounding.</summary>
    private static double Tolerance(int terms) => 4 * terms * (Math.Pow(2, -11) + (terms * Math.Pow(2, -24)));

    [TestMethod]
    public void Weight_IsHalvedAndConvertedBack()
    {
        var m = new TestModel();
        var weight = m.Weight("w", 16, 24);
        m.Output(m.Node("MatMul", [m.Input("x", 2, 16), weight]));

        var log = Run(m, Options, Tolerance(16));

        Assert.AreEqual(DataType.Float16, weight.Initializer!.DataType);
        CollectionAssert.AreEqual(new[] { "Cast", "MatMul" }, m.OpTypes());
        var record = log.Layers.Single();
        Assert.AreEqual((16, 1536L, 768L, "stored as float16, folded"), (record.Bits, record.OriginalBytes, record.CompressedBytes, record.Action));
        // Uniform numbers rounded to 11 significant bits keep 6.02·11 + 10·log10(6) − 3 … 6.02·11 + 11 dB.
        Assert.IsTrue(record.SqnrDb is > 68 and < 80, $"{record.SqnrDb}");
    }

    [TestMethod]
    public void SharedWeight_IsConvertedBackOnce()
    {
        var m = new TestModel();
        var weight = m.Weight("w", 16, 16);
        m.Output(m.Node("MatMul", [m.Node("MatMul", [m.Input("x", 2, 16), weight]), weight]));

        Run(m, Options, 16 * Tolerance(16) * 4);

        CollectionAssert.AreEqual(new[] { "Cast", "MatMul", "MatMul" }, m.OpTypes());
    }

    [TestMethod]
    public void ConstantNode_IsConvertedBack()
    {
        var m = new TestModel();
        var weight = m.Node("Constant", [], NodeAttribute.Of("value", m.RandomTensor(16, 16)));
        m.Output(m.Node("MatMul", [m.Input("x", 2, 16), weight]));

        Run(m, Options, Tolerance(16));

        CollectionAssert.AreEqual(new[] { "Constant", "Cast", "MatMul" }, m.OpTypes());
    }

    [TestMethod]
    public void WeightsOfBranches_StayInTheirBranch()
    {
        var m = new TestModel();
        var x = m.Input("x", 2, 16);
        NodeAttribute Branch(string name)
        {
            var branch = m.Subgraph(name);
            branch.Output(branch.Node("MatMul", [x, branch.Weight("w", 16, 16)]));
            return NodeAttribute.Of(name, branch.Graph);
        }

        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], Branch("then_branch"), Branch("else_branch")));

        Run(m, Options, Tolerance(16));

        CollectionAssert.AreEqual(new[] { "If", "Cast", "MatMul", "Cast", "MatMul" }, m.OpTypes());
    }

    [TestMethod]
    [DataRow(3, true)]
    [DataRow(8, false)]
    public void InitializerThatIsAnInput_StaysOneWhereTheFormatAsksForIt(int irVersion, bool isInput)
    {
        var m = new TestModel(irVersion: irVersion);
        var x = m.Input("x", 2, 16);
        var weight = m.Input("w", 16, 16);
        m.Graph.SetInitializer(weight, m.RandomTensor(16, 16));
        m.Output(m.Node("MatMul", [x, weight]));

        m.Run(new ConvertToFloat16(), Options);

        Assert.AreEqual((isInput, DataType.Float16), (m.Graph.Inputs.Contains(weight), weight.Initializer!.DataType));
    }

    [TestMethod]
    [DataRow(float.NaN, "NaN")]
    [DataRow(1e6f, "1 elements are beyond")]
    public void WeightBeyondTheRange_IsRefusedWithReason(float element, string reason)
    {
        var m = new TestModel();
        float[] elements = [.. Enumerable.Repeat(1f, 2047), element];
        m.Output(m.Node("MatMul", [m.Input("x", 2, 32), m.Constant("w", Tensor.Float([32, 64], elements))]));

        AssertRefused(m, Options, reason);
    }

    [TestMethod]
    public void PrunedWeightBeyondTheRange_StaysWithReason()
    {
        var m = new TestModel();
        float[] elements = [.. m.RandomTensor(2047).AsSpan<float>(), 1e6f];
        m.Output(m.Node("MatMul", [m.Input("x", 2, 32), m.Constant("w", Tensor.Float([32, 64], elements))]));
        var settings = new CompressionSettings(Options with { Pruning = PruningCriterion.Magnitude, Sparsity = 0.5 });
        var log = new PassLog();
        new PruneByMagnitude().Run(m.Model, settings, log);
        new ConvertToFloat16().Run(m.Model, settings, log);
        var layer = log.Layers.Single();
        Assert.AreEqual((32, 0.5), (layer.Bits, layer.PrunedShare));
        Assert.Contains("1 elements are beyond", layer.Reason);
    }

    [TestMethod]
    public void WeightBelowTheNormalRange_IsRefusedWithReason()
    {
        var m = new TestModel();
        float[] elements = [.. m.RandomTensor(2048).AsSpan<float>().ToArray().Select(v => v * 1e-6f)];
        m.Output(m.Node("MatMul", [m.Input("x", 2, 32), m.Constant("w", Tensor.Float([32, 64], elements))]));

        AssertRefused(m, Options, "too small for binary16");
    }

    [TestMethod]
    public void ExcludedOperator_IsRefusedWithReason() => AssertRefused(Matrix(), Options with { ExcludeOpTypes = ["Mat*"] }, "in ExcludeOpTypes");

    [TestMethod]
    public void SmallConstant_StaysAsItIs()
    {
        var m = new TestModel();
        var bias = m.Weight("b", 4);
        m.Output(m.Node("Add", [m.Input("x", 2, 4), bias]));

        Assert.IsEmpty(Run(m, Options, 0).Edits);
        Assert.AreEqual(DataType.Float, bias.Initializer!.DataType);
    }

    [TestMethod]
    public void ScalesOfQuantizedWeights_StayAsTheyAre()
    {
        var m = new TestModel();
        m.Model.OpsetImports["com.microsoft"] = 1;
        var scales = m.Positive("scales", 1024);
        var node = m.Graph.AddNode("MatMulNBits", [m.Input("x", 1, 32), m.Constant("codes", Tensor.Create(DataType.UInt8, [1024, 1, 16], new byte[16384])), scales], ["y"],
            [NodeAttribute.Of("K", 32L), NodeAttribute.Of("N", 1024L), NodeAttribute.Of("bits", 4L), NodeAttribute.Of("block_size", 32L)], "com.microsoft");
        m.Output(node.Outputs[0]!);

        AssertRefused(m, Options, "already quantized");
    }

    [TestMethod]
    public void Rule_LeavesItsNodesToAnotherMethod()
    {
        var m = new TestModel();
        var half = m.Weight("half", 16, 32);
        var other = m.Weight("other", 32, 32);
        var hidden = m.Node("MatMul", [m.Input("x", 2, 16), half]);
        m.Output(m.Node("Gemm", [hidden, other]));
        var rule = new CompressionRule([], ["Gemm"], o => o with { Quantization = QuantizationMode.WeightOnly });
        var log = new PassLog();

        new ConvertToFloat16().Run(m.Model, new CompressionSettings(Options, [rule]), log);

        Assert.AreEqual((DataType.Float16, DataType.Float), (half.Initializer!.DataType, other.Initializer!.DataType));
        Assert.AreEqual("Quantization=WeightOnly", log.Layers.Single(l => l.Weight == "other").Reason);
    }

    private static TestModel Matrix()
    {
        var m = new TestModel();
        m.Output(m.Node("MatMul", [m.Input("x", 2, 32), m.Weight("w", 32, 64)]));
        return m;
    }

    private static void AssertRefused(TestModel m, CompressionOptions options, string reason)
    {
        string[] before = m.OpTypes();
        var log = m.Run(new ConvertToFloat16(), options);
        StringAssert.Contains(log.Layers.Single().Reason, reason);
        Assert.IsFalse(log.Edits.Any(e => e.Applied));
        CollectionAssert.AreEqual(before, m.OpTypes());
    }

    private static PassLog Run(TestModel m, CompressionOptions options, double tolerance) =>
        Equivalence.Keep(m.Model, () => m.Run(new ConvertToFloat16(), options), tolerance);
}
