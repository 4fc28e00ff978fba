using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class FoldConstantsTests
{
    [TestMethod]
    public void ShapeArithmetic_OfStaticShape_BecomesOneConstant()
    {
        var m = new TestModel();
        var x = m.Input("x", 2, 3, 4);
        var shape = m.Node("Shape", [x]);
        var batch = m.Node("Unsqueeze", [m.Node("Gather", [shape, m.Constant("i", Tensor.Int64([], 0))]), m.Ints(0)]);
        m.Output(m.Node("Reshape", [x, m.Node("Concat", [batch, m.Ints(-1)], NodeAttribute.Of("axis", 0L))]));
        m.RunEquivalently(new FoldConstants());
        CollectionAssert.AreEqual(new[] { "Reshape" }, m.OpTypes());
        m.Graph.Nodes[0].Inputs[1]!.TryGetConstant(out var target);
        CollectionAssert.AreEqual(new long[] { 2, -1 }, target!.AsSpan<long>().ToArray());
    }

    [TestMethod]
    public void KnownDimension_BesideAFreeOne_BecomesAConstant()
    {
        var m = new TestModel();
        var x = m.Graph.AddInput("x", new TensorType(DataType.Float, new Shape(Dimension.OfSymbol("N"), 3, 4)));
        Value Size(long axis) => m.Node("Unsqueeze", [m.Node("Gather", [m.Node("Shape", [x]), m.Constant("i", Tensor.Int64([], axis))]), m.Ints(0)]);
        m.Output(m.Node("Reshape", [x, m.Node("Concat", [Size(0), Size(-1), Size(1)], NodeAttribute.Of("axis", 0L))]));
        m.RunEquivalently(new FoldConstants());
        m.Run(new RemoveUnusedNodes());
        CollectionAssert.AreEqual(new[] { "Shape", "Gather", "Unsqueeze", "Concat", "Reshape" }, m.OpTypes());
    }

    [TestMethod]
    public void WeightsThatUnpackThemselves_StayPacked()
    {
        var m = new TestModel();
        var packed = m.Constant("q", Tensor.Create(DataType.Int8, [64, 64], new sbyte[64 * 64]));
        var weight = m.Node("Mul", [m.Node("Cast", [packed], NodeAttribute.Of("to", 1L)), m.Constant("s", Tensor.Float([], 0.5f))]);
        m.Output(m.Node("MatMul", [m.Input("x", 2, 64), weight]));
        var log = m.RunEquivalently(new FoldConstants(new OrtConstantEvaluator()));
        Assert.Contains("larger", log.Edits.First(e => !e.Applied).Reason);
        CollectionAssert.AreEqual(new[] { "Cast", "Mul", "MatMul" }, m.OpTypes());
    }

    [TestMethod]
    public void DequantizeLinear_OfConstants_Stays()
    {
        var m = new TestModel();
        var weight = m.Node("DequantizeLinear", [m.Constant("q", Tensor.Create(DataType.Int8, [2], new sbyte[] { 1, 2 })), m.Constant("s", Tensor.Float([], 0.5f))]);
        m.Output(m.Node("Add", [m.Input("x", 2), weight]));
        Assert.IsEmpty(m.RunEquivalently(new FoldConstants(new OrtConstantEvaluator())).Edits);
    }

    [TestMethod]
    public void LargeTranspose_IsFoldedOnlyWhenItsSourceGoes()
    {
        foreach (bool shared in new[] { false, true })
        {
            var m = new TestModel();
            var w = m.Weight("w", 200, 100);
            m.Output(m.Node("MatMul", [m.Input("x", 2, 200), m.Node("Transpose", [m.Node("Transpose", [w])])]));
            if (shared) m.Output(m.Node("Neg", [w]));
            // The runtime sums in another order once the weights are constant: two sums of 200 products of at most 1.
            m.RunEquivalently(new FoldConstants(), 2 * Math.Pow(2, -24) * 200 * 200);
            Assert.AreEqual(!shared, !m.OpTypes().Contains("Transpose"));
        }
    }

    [TestMethod]
    public void SameWeights_RearrangedInBothBranches_AreStoredOnceOutside()
    {
        var m = new TestModel();
        var x = m.Input("x", 2, 40);
        var w = m.Weight("w", 30, 40);
        var (then, otherwise) = (m.Subgraph("then"), m.Subgraph("else"));
        foreach (var branch in new[] { then, otherwise })
            branch.Output(branch.Node(branch == then ? "Relu" : "Neg", [branch.Node("MatMul", [x, branch.Node("Transpose", [w])])]));
        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", otherwise.Graph)));
        // Two sums of 40 products of at most 1, in whatever order.
        m.RunEquivalently(new FoldConstants(), 2 * Math.Pow(2, -24) * 40 * 40);
        Assert.DoesNotContain("Transpose", m.OpTypes());
        CollectionAssert.AreEqual(new long[] { 40, 30 }, m.Graph.Initializers.Single().Initializer!.Dims.ToArray());
        Assert.HasCount(2, m.Graph.Initializers.Single().Uses);
    }

    [TestMethod]
    public void Runtime_ComputesWhatThePassDoesNotKnow()
    {
        foreach (bool withRuntime in new[] { false, true })
        {
            var m = new TestModel(opset: 14);
            var mask = m.Node("Trilu", [m.Weight("w", 30, 30)]);
            m.Output(m.Node("Add", [m.Input("x", 30), mask]));
            m.RunEquivalently(new FoldConstants(withRuntime ? new OrtConstantEvaluator() : null));
            Assert.AreEqual(withRuntime, !m.OpTypes().Contains("Trilu"));
        }
    }

    [TestMethod]
    public void ReturnedConstant_KeepsTheOutputName()
    {
        var m = new TestModel();
        m.Output(m.Node("Relu", [m.Input("x", 2)]));
        var y = m.Node("Add", [m.Node("Add", [m.Weight("a", 4), m.Weight("b", 4)]), m.Weight("c", 4)]);
        string name = y.Name;
        m.Output(y);
        m.RunEquivalently(new FoldConstants());
        CollectionAssert.AreEqual(new[] { "Constant", "Relu" }, m.OpTypes().Order().ToArray());
        Assert.AreEqual(name, m.Graph.Outputs[1].Name);
    }

    [TestMethod]
    public void RandomAndInexactOperators_Stay()
    {
        var m = new TestModel();
        var random = m.Node("RandomNormal", [], NodeAttribute.Of("shape", [2L]), NodeAttribute.Of("seed", 1f));
        m.Output(m.Node("Add", [m.Node("Add", [m.Input("x", 2), random]), m.Node("Exp", [m.Weight("w", 2)])]));
        Assert.IsEmpty(m.RunEquivalently(new FoldConstants(new OrtConstantEvaluator())).Edits);
    }

    [TestMethod]
    public void OverridableInitializer_IsNoConstant()
    {
        var m = new TestModel();
        var w = m.Input("w", 2);
        m.Graph.SetInitializer(w, Tensor.Float([2], 1, 2));
        m.Output(m.Node("Add", [m.Input("x", 2), m.Node("Add", [w, m.Weight("b", 2)])]));
        Assert.IsEmpty(m.RunEquivalently(new FoldConstants(new OrtConstantEvaluator())).Edits);
    }

    [TestMethod]
    public void IntegerDivisionByZero_IsLeftToTheRuntime()
    {
        var m = new TestModel();
        m.Node("Div", [m.Ints(1), m.Ints(0)]);
        m.Output(m.Node("Relu", [m.Input("x", 2)]));
        Assert.IsEmpty(m.Run(new FoldConstants()).Edits);
    }

    [TestMethod]
    public void HugeResult_IsNeverMade()
    {
        var m = new TestModel();
        var huge = m.Node("ConstantOfShape", [m.Ints(1L << 20, 1L << 20)]);
        m.Output(m.Node("ReduceMax", [huge]));
        Assert.DoesNotContain(true, m.Run(new FoldConstants(new OrtConstantEvaluator())).Edits.Select(e => e.Applied));
    }
}
