using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Float16;

/// <summary>The computing form: operators in binary16, interface as it was.</summary>
[TestClass]
public sealed class ComputeInFloat16Tests
{
    private static readonly CompressionOptions Options = new() { Quantization = QuantizationMode.Float16, QuantizationFormat = QuantizationFormat.QOperator };

    /// <summary>
    /// Each of n rounded steps is off by at most 2⁻¹¹ of the largest magnitude m that occurs; binary32 has a share that is a thousand times smaller.
    /// Inputs lie in [−4, 4].
    /// </summary>
    private static double Tolerance(int steps, double largest) => steps * largest * Math.Pow(2, -11) * 1.01;

    [TestMethod]
    public void Chain_IsConvertedAtItsEndsOnly()
    {
        var m = new TestModel();
        var weight = m.Weight("w", 8, 8);
        var bias = m.Weight("b", 8);
        m.Output(m.Node("Relu", [m.Node("Add", [m.Node("MatMul", [m.Input("x", 2, 8), weight]), bias])]));

        // Products of 8 terms up to 4 each: input, weight, each product's sum, bias, sum.
        Run(m, Tolerance(8 + 4, 33));

        CollectionAssert.AreEqual(new[] { "Cast", "MatMul", "Add", "Relu", "Cast" }, m.OpTypes());
        Assert.AreEqual((DataType.Float16, DataType.Float16), (weight.Initializer!.DataType, bias.Initializer!.DataType));
        Assert.AreEqual("Relu_out0", m.Graph.Outputs[0].Name);
    }

    [TestMethod]
    public void ValueUsedTwice_IsConvertedOnce()
    {
        var m = new TestModel();
        var x = m.Input("x", 4, 4);
        m.Output(m.Node("Add", [m.Node("MatMul", [x, m.Weight("a", 4, 4)]), m.Node("MatMul", [x, m.Weight("b", 4, 4)])]));

        Run(m, Tolerance(10, 32));

        Assert.AreEqual(2, m.OpTypes().Count(o => o == "Cast"));
    }

    [TestMethod]
    public void OperatorThatStaysFloat_IsConvertedAroundAndSharesTheConversion()
    {
        var m = new TestModel();
        var hidden = m.Node("MatMul", [m.Input("x", 4, 4), m.Weight("a", 4, 4)]);
        var limited = m.Node("Max", [hidden, m.Constant("floor", Tensor.Float([1], -1))]);
        m.Output(m.Node("MatMul", [limited, m.Weight("b", 4, 4)]), hidden);

        var log = Run(m, Tolerance(12, 64));

        // x; hidden, for Max and for the output; what Max yields; the output.
        CollectionAssert.AreEqual(new[] { "Cast", "MatMul", "Cast", "Max", "Cast", "MatMul", "Cast" }, m.OpTypes());
        Assert.Contains(e => !e.Applied && e.Target.Contains("Max") && e.Reason.Contains("binary32"), log.Edits);
    }

    [TestMethod]
    public void Conversion_FromIntegers_GoesToFloat16AtOnce()
    {
        var m = new TestModel();
        var pixels = m.Node("Cast", [m.Input("x", DataType.UInt8, 4, 4)], NodeAttribute.Of("to", 1L));
        m.Output(m.Node("MatMul", [pixels, m.Weight("a", 4, 4)]));

        Run(m, Tolerance(8, 4 * 255));

        CollectionAssert.AreEqual(new[] { "Cast", "MatMul", "Cast" }, m.OpTypes());
    }

    [TestMethod]
    public void ValueThatWasHalf_IsTakenAsItIs()
    {
        var m = new TestModel();
        var wide = m.Node("Cast", [m.Input("x", DataType.Float16, 4, 4)], NodeAttribute.Of("to", 1L));
        m.Output(m.Node("MatMul", [wide, m.Weight("a", 4, 4)]));

        m.Run(new ConvertToFloat16(), Options);
        m.Run(new RemoveUnusedNodes());

        CollectionAssert.AreEqual(new[] { "MatMul", "Cast" }, m.OpTypes());
    }

    [TestMethod]
    public void ScalesOfResize_StayFloat()
    {
        var m = new TestModel();
        var scales = m.Constant("scales", Tensor.Float([4], 1, 1, 2, 2));
        var hidden = m.Node("Conv", [m.Input("x", 1, 2, 4, 4), m.Weight("w", 2, 2, 1, 1)]);
        m.Output(m.Node("Resize", [hidden, null, scales], NodeAttribute.Of("mode", "nearest")));

        Run(m, Tolerance(5, 8));

        Assert.AreEqual(DataType.Float, scales.Initializer!.DataType);
        CollectionAssert.AreEqual(new[] { "Cast", "Conv", "Resize", "Cast" }, m.OpTypes());
    }

    [TestMethod]
    public void BranchesAndCapturedValues_KeepOneTypePerOutput()
    {
        var m = new TestModel();
        var hidden = m.Node("MatMul", [m.Input("x", 4, 4), m.Weight("a", 4, 4)]);
        var then = m.Subgraph("then");
        then.Output(then.Node("MatMul", [hidden, then.Weight("b", 4, 4)]));
        var other = m.Subgraph("else");
        other.Output(other.Node("Identity", [hidden]));
        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", other.Graph)));

        Run(m, Tolerance(12, 64));

        CollectionAssert.AreEqual(new[] { "Cast", "MatMul", "If", "MatMul", "Cast", "Identity", "Cast" }, m.OpTypes());
    }

    [TestMethod]
    public void LoopCarriedValue_KeepsItsType()
    {
        var m = new TestModel();
        var x = m.Input("x", 4, 4);
        var body = m.Subgraph("body");
        body.Input("i", DataType.Int64);
        var go = body.Input("go", DataType.Bool);
        var state = body.Input("state", 4, 4);
        var next = body.Node("Tanh", [body.Node("MatMul", [state, body.Weight("w", 4, 4)])]);
        body.Output(body.Node("Identity", [go]), next);
        body.Graph.Outputs[0].Type = new TensorType(DataType.Bool, Shape.Of());
        m.Output(m.Node("Loop", [m.Constant("n", Tensor.Int64([], 3)), null, x], NodeAttribute.Of("body", body.Graph)));

        // Tanh does not amplify; each round multiplies an error by at most 4 and adds its own.
        Run(m, Tolerance(6 * (1 + 4 + 16), 16));

        CollectionAssert.AreEqual(new[] { "Loop", "Cast", "MatMul", "Tanh", "Cast", "Identity" }, m.OpTypes());
    }

    [TestMethod]
    public void ConstantForBothTypes_IsStoredOnceWhenLarge()
    {
        var m = new TestModel();
        var shared = m.Weight("s", 16, 16);
        var x = m.Input("x", 16, 16);
        m.Output(m.Node("MatMul", [x, shared]), m.Node("Max", [x, shared]));

        Run(m, Tolerance(18, 64));

        Assert.AreEqual(DataType.Float16, shared.Initializer!.DataType);
        Assert.HasCount(1, m.Graph.Initializers);
    }

    [TestMethod]
    [DataRow("Add", true)]
    [DataRow("Mul", false)]
    public void NumbersBeyondTheRange_AreLimitedWhereTheyAreMasks(string opType, bool converts)
    {
        var m = new TestModel();
        var far = m.Constant("far", Tensor.Float([1], -1e9f));
        var hidden = m.Node("MatMul", [m.Input("x", 2, 4), m.Weight("a", 4, 4)]);
        m.Output(m.Node("MatMul", [m.Node("Softmax", [m.Node(opType, [hidden, far])]), m.Weight("b", 4, 4)]));

        var log = m.Run(new ConvertToFloat16(), Options);

        Assert.AreEqual(converts ? DataType.Float16 : DataType.Float, far.Initializer!.DataType);
        if (converts) Assert.AreEqual("1 elements beyond ±65504 became that", log.Layers.Single(l => l.Weight == "far").Reason);
        else Assert.Contains(e => !e.Applied && e.Reason.Contains("beyond ±65504"), log.Edits);
    }

    [TestMethod]
    public void ExcludedNode_StaysFloat_AndItsWeightToo()
    {
        var m = new TestModel();
        var a = m.Weight("a", 16, 16);
        var b = m.Weight("b", 16, 16);
        m.Output(m.Node("Gemm", [m.Node("MatMul", [m.Input("x", 2, 16), a]), b]));

        Run(m, Tolerance(20, 64 * 16), Options with { ExcludeOpTypes = ["Gemm"] });

        Assert.AreEqual((DataType.Float16, DataType.Float), (a.Initializer!.DataType, b.Initializer!.DataType));
        CollectionAssert.AreEqual(new[] { "Cast", "MatMul", "Cast", "Gemm" }, m.OpTypes());
    }

    [TestMethod]
    public void IsolatedOperator_IsNotWorthConverting()
    {
        var m = new TestModel();
        m.Output(m.Node("Max", [m.Node("Relu", [m.Node("Max", [m.Input("x", 4), m.Constant("c", Tensor.Float([1], 0))])]), m.Constant("d", Tensor.Float([1], 0))]));

        Run(m, 0);

        CollectionAssert.AreEqual(new[] { "Max", "Relu", "Max" }, m.OpTypes());
    }

    [TestMethod]
    public void RecurrentLayer_IsConverted()
    {
        var m = new TestModel(opset: 14);
        var weight = m.Weight("w", 1, 16, 3);
        m.Output(m.MultiNode("LSTM", [m.Input("x", 2, 1, 3), weight, m.Weight("r", 1, 16, 4), m.Weight("b", 1, 32)], 1, NodeAttribute.Of("hidden_size", 4L)).Outputs[0]!);

        // Gates are sums of 9 products up to 4; their slopes are at most 1, and the cell adds over two steps.
        Run(m, Tolerance(2 * 4 * (9 + 4), 16));

        Assert.AreEqual(DataType.Float16, weight.Initializer!.DataType);
        CollectionAssert.AreEqual(new[] { "Cast", "LSTM", "Cast" }, m.OpTypes());
    }

    [TestMethod]
    public void FilledTensor_IsMadeInItsNewType()
    {
        var m = new TestModel();
        var filled = m.Node("ConstantOfShape", [m.Ints(4, 4)], NodeAttribute.Of("value", Tensor.Float([1], 0.5f)));
        m.Output(m.Node("Add", [m.Node("MatMul", [m.Input("x", 4, 4), m.Weight("a", 4, 4)]), filled]));

        Run(m, Tolerance(10, 17));

        CollectionAssert.AreEqual(new[] { "ConstantOfShape", "Cast", "MatMul", "Add", "Cast" }.Order().ToArray(), m.OpTypes().Order().ToArray());
    }

    [TestMethod]
    public void OldOpset_IsRefusedAndStillStored()
    {
        var m = new TestModel(opset: 6);
        var a = m.Weight("a", 16, 16);
        m.Output(m.Node("MatMul", [m.Input("x", 2, 16), a]));

        var log = m.Run(new ConvertToFloat16(), Options);

        Assert.AreEqual("computed with in binary32: opset 6 is too old, 7 is needed", log.Layers.Single().Reason);
        Assert.AreEqual(DataType.Float16, a.Initializer!.DataType);
    }

    /// <summary>Runs the pass and compares with the model as it was, both as an application opens them.</summary>
    private static PassLog Run(TestModel m, double tolerance, CompressionOptions? options = null)
    {
        byte[] before = OnnxWriter.ToBytes(m.Model);
        var inputs = SyntheticInputs.For(m.Model, seed: 1);
        var log = m.Run(new ConvertToFloat16(), options ?? Options);
        using var original = Equivalence.Open(before);
        using var changed = ModelSession.Open(OnnxWriter.ToBytes(m.Model), "changed.onnx", SessionSettings.Default, ModelRole.Compressed);
        Equivalence.AssertSameInterface(original, changed);
        var expected = Equivalence.RunFirstThatWorks(original, inputs, out var sample) ?? throw new AssertFailedException("The original does not run.");
        Assert.IsNull(Equivalence.Difference(expected, changed.Run(sample.Inputs), _ => tolerance));
        return log;
    }
}
