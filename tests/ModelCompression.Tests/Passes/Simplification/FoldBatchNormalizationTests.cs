using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class FoldBatchNormalizationTests
{
    /// <summary>
    /// Inputs, weights, biases and means lie in [−1, 1], variances in [0.5, 1.5], scales in [−1, 1]: |a| ≤ √2, and each output is a sum of at most
    /// <paramref name="products"/> + 4 terms of at most √2. Both sides round each term and each partial sum once.
    /// </summary>
    private static double Tolerance(int products) => 2 * Math.Pow(2, -24) * (products + 4) * (products + 4) * Math.Sqrt(2);

    [TestMethod]
    [DataRow(1, true)]
    [DataRow(2, true)]
    [DataRow(4, false)]
    public void Conv_TakesItIn(int group, bool withBias)
    {
        var m = new TestModel();
        var inputs = new List<Value?> { m.Input("x", 2, 4, 5, 5), m.Weight("w", 8, 4 / group, 3, 3) };
        if (withBias) inputs.Add(m.Weight("b", 8));
        AssertFolded(m, m.Node("Conv", [.. inputs], NodeAttribute.Of("group", (long)group), NodeAttribute.Of("pads", 1L, 1L, 1L, 1L)), 8, Tolerance(36), "Conv");
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void ConvTranspose_TakesItIn(int group)
    {
        var m = new TestModel();
        var y = m.Node("ConvTranspose", [m.Input("x", 2, 4, 5, 5), m.Weight("w", 4, 3, 2, 2)], NodeAttribute.Of("group", (long)group), NodeAttribute.Of("strides", 2L, 2L));
        AssertFolded(m, y, 3 * group, Tolerance(16), "ConvTranspose");
    }

    [TestMethod]
    [DataRow(0L, 1f, new long[] { 6 })]
    [DataRow(1L, 0.5f, new long[] { 1, 6 })]
    [DataRow(1L, 1f, new long[] { 1 })]
    [DataRow(0L, 0f, new long[] { 6 })]
    public void Gemm_TakesItIn(long transB, float beta, long[] biasDims)
    {
        var m = new TestModel();
        var weight = transB == 0 ? m.Weight("w", 5, 6) : m.Weight("w", 6, 5);
        var y = m.Node("Gemm", [m.Input("x", 2, 5), weight, m.Weight("b", biasDims)],
            NodeAttribute.Of("transB", transB), NodeAttribute.Of("beta", beta), NodeAttribute.Of("alpha", 0.75f));
        AssertFolded(m, y, 6, Tolerance(5), "Gemm");
    }

    [TestMethod]
    public void MatMul_WithTwoAxes_GetsAnAdd()
    {
        var m = new TestModel();
        AssertFolded(m, m.Node("MatMul", [m.Input("x", 2, 5), m.Weight("w", 5, 6)]), 6, Tolerance(5), "MatMul", "Add");
    }

    [TestMethod]
    public void MatMulAndAdd_TakeItIn()
    {
        var m = new TestModel();
        var y = m.Node("Add", [m.Weight("b", 1, 6), m.Node("MatMul", [m.Input("x", 2, 5), m.Weight("w", 5, 6)])]);
        AssertFolded(m, y, 6, Tolerance(5), "MatMul", "Add");
    }

    [TestMethod]
    public void WeightsInConstantNodes_AreScaledThere()
    {
        var m = new TestModel();
        var weight = m.Node("Constant", [], NodeAttribute.Of("value", m.RandomTensor(4, 3, 1, 1)));
        AssertFolded(m, m.Node("Conv", [m.Input("x", 1, 3, 4, 4), weight]), 4, Tolerance(3), "Constant", "Conv");
    }

    [TestMethod]
    public void HalfPrecision_RoundsOnce()
    {
        var m = new TestModel();
        var x = m.Input("x", DataType.Float16, 1, 3, 4, 4);
        var y = m.Node("Conv", [x, m.Constant("w", Half(m.RandomTensor(4, 3, 1, 1)))]);
        var values = new[] { m.RandomTensor(4), m.RandomTensor(4), m.RandomTensor(4), Tensor.Float([4], 1, 0.5f, 1.5f, 0.75f) };
        var z = m.Node("BatchNormalization", [y, .. values.Select((v, i) => m.Constant($"p{i}", Half(v)))]);
        z.Type = new TensorType(DataType.Float16, null);
        m.Output(z);
        // As above with u = 2⁻¹¹: three products and four other terms, each at most 1/√0.5.
        m.RunEquivalently(new FoldBatchNormalization(), 2 * Math.Pow(2, -11) * 49 * Math.Sqrt(2));
        Assert.DoesNotContain("BatchNormalization", m.OpTypes());
    }

    [TestMethod]
    public void FoldedWeights_AreTheRoundedDoubleResult()
    {
        var m = new TestModel();
        var weight = m.Weight("w", 1, 1, 1, 1);
        float w = weight.Initializer!.AsSpan<float>()[0];
        var y = m.Node("Conv", [m.Input("x", 1, 1, 2, 2), weight]);
        m.Output(m.Node("BatchNormalization", [y, Scalar(3), Scalar(0.25f), Scalar(0.5f), Scalar(2)], NodeAttribute.Of("epsilon", 0.25f)));
        m.Run(new FoldBatchNormalization());
        Assert.AreEqual((float)(w * (3 / Math.Sqrt(2.25))), weight.Initializer!.AsSpan<float>()[0]);
        Assert.AreEqual(0.25f - (float)(3 / Math.Sqrt(2.25) * 0.5), m.Graph.Nodes[0].Inputs[2]!.Initializer!.AsSpan<float>()[0]);

        Value Scalar(float value) => m.Constant("p", Tensor.Float([1], value));
    }

    [TestMethod]
    public void Subgraph_WithWeightsOutside_IsFolded()
    {
        var m = new TestModel();
        var x = m.Input("x", 1, 3, 4, 4);
        var weight = m.Weight("w", 2, 3, 1, 1);
        var then = m.Subgraph("then");
        then.Output(Normalize(m, then, then.Node("Conv", [x, weight]), 2));
        var otherwise = m.Subgraph("else");
        otherwise.Output(otherwise.Node("Conv", [x, m.Weight("v", 2, 3, 1, 1)]));
        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", otherwise.Graph)));
        m.RunEquivalently(new FoldBatchNormalization(), Tolerance(3));
        CollectionAssert.AreEqual(new[] { "If", "Conv", "Conv" }, m.OpTypes());
    }

    [TestMethod]
    public void Ir3_ListsTheNewBiasAsInput()
    {
        var m = new TestModel(opset: 8, irVersion: 3);
        AssertFolded(m, m.Node("Conv", [m.Input("x", 1, 3, 4, 4), m.Weight("w", 2, 3, 1, 1)]), 2, Tolerance(3), "Conv");
        Assert.IsTrue(m.Graph.Nodes[0].Inputs[2]!.IsGraphInput);
    }

    [TestMethod]
    public void OutputUsedElsewhere_IsRefused() => AssertRefused("used elsewhere", (m, y) => m.Output(m.Node("Relu", [y])));

    [TestMethod]
    public void OutputReturned_IsRefused() => AssertRefused("returned", (m, y) => m.Output(y));

    [TestMethod]
    public void WeightsShared_AreRefused() => AssertRefused("shared", (m, y) => m.Output(m.Node("Neg", [y.Producer!.Inputs[1]])));

    [TestMethod]
    public void WeightsNotConstant_AreRefused() => AssertRefused("not constant", (m, y) => y.Producer!.SetInput(1, m.Node("Neg", [y.Producer.Inputs[1]])), sort: true);

    [TestMethod]
    public void WeightsOverridable_AreRefused()
    {
        var m = new TestModel();
        var weight = m.Input("w", 2, 3, 1, 1);
        m.Graph.SetInitializer(weight, m.RandomTensor(2, 3, 1, 1));
        var y = m.Node("Conv", [m.Input("x", 1, 3, 4, 4), weight]);
        m.Output(Normalize(m, m, y, 2));
        Assert.Contains("not constant", m.RunEquivalently(new FoldBatchNormalization()).Edits.Single().Reason);
    }

    [TestMethod]
    public void TrainingMode_IsRefused() =>
        AssertRefused("training mode", (_, y) => y.Uses[0].Node.SetAttribute(NodeAttribute.Of("training_mode", 1L)), opset: 15, run: false);

    [TestMethod]
    public void NotSpatial_IsRefused() => AssertRefused("spatial", (_, y) => y.Uses[0].Node.SetAttribute(NodeAttribute.Of("spatial", 0L)), opset: 8, run: false);

    [TestMethod]
    public void MissingIsTest_BeforeOpset7_IsRefused() => AssertRefused("is_test", (_, _) => { }, opset: 6, run: false);

    [TestMethod]
    public void ParameterNotConstant_IsRefused() => AssertRefused("not constant", (m, y) => y.Uses[0].Node.SetInput(2, m.Input("B", 2)));

    [TestMethod]
    public void NegativeVariance_IsRefused() => AssertRefused("finite", (m, y) => y.Uses[0].Node.SetInput(4, m.Constant("v", Tensor.Float([2], -1, 1))));

    [TestMethod]
    public void MatMulOfUnknownRank_IsRefused()
    {
        var m = new TestModel();
        var y = m.Node("MatMul", [m.Graph.AddInput("x", new TensorType(DataType.Float, null)), m.Weight("w", 5, 6)]);
        m.Output(Normalize(m, m, y, 6));
        Assert.Contains("two axes", m.Run(new FoldBatchNormalization()).Edits.Single().Reason);
    }

    [TestMethod]
    public void NothingInFront_IsRefused()
    {
        var m = new TestModel();
        m.Output(Normalize(m, m, m.Node("Relu", [m.Input("x", 1, 2, 4, 4)]), 2));
        Assert.Contains("no Conv", m.RunEquivalently(new FoldBatchNormalization()).Edits.Single().Reason);
    }

    private static void AssertFolded(TestModel m, Value y, int channels, double tolerance, params string[] left)
    {
        m.Output(Normalize(m, m, y, channels));
        string name = m.Graph.Outputs[0].Name;
        var log = m.RunEquivalently(new FoldBatchNormalization(), tolerance);
        Assert.IsTrue(log.Edits.Single().Applied, log.Edits.Single().Reason);
        CollectionAssert.AreEqual(left, m.OpTypes());
        Assert.AreEqual(name, m.Graph.Outputs[0].Name);
    }

    private static void AssertRefused(string reason, Action<TestModel, Value> change, long opset = 13, bool run = true, bool sort = false)
    {
        var m = new TestModel(opset);
        var y = m.Node("Conv", [m.Input("x", 1, 3, 4, 4), m.Weight("w", 2, 3, 1, 1)]);
        m.Output(Normalize(m, m, y, 2));
        change(m, y);
        if (sort) Assert.IsTrue(m.Graph.TrySortTopologically());
        var log = run ? m.RunEquivalently(new FoldBatchNormalization()) : m.Run(new FoldBatchNormalization());
        Assert.IsFalse(log.Edits.Single().Applied);
        Assert.Contains(reason, log.Edits.Single().Reason);
        Assert.Contains("BatchNormalization", m.OpTypes());
    }

    private static Value Normalize(TestModel outer, TestModel m, Value y, int channels) =>
        m.Node("BatchNormalization", [y, outer.Weight("scale", channels), outer.Weight("B", channels), outer.Weight("mean", channels), outer.Positive("var", channels)]);

    private static Tensor Half(Tensor tensor) =>
        Tensor.Create(DataType.Float16, tensor.Dims, Array.ConvertAll(tensor.AsSpan<float>().ToArray(), v => (Half)v));
}
