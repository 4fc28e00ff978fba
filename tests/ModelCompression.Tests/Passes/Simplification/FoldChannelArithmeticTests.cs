using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class FoldChannelArithmeticTests
{
    /// <summary>All values lie in [−1, 1], divisors in [0.5, 1.5]: sums of at most n + 2 terms of at most 2, each term and partial sum rounded once.</summary>
    private static double Tolerance(int products) => 2 * Math.Pow(2, -24) * (products + 2) * (products + 2) * 2;

    [TestMethod]
    [DataRow("Add", false)]
    [DataRow("Add", true)]
    [DataRow("Sub", false)]
    [DataRow("Sub", true)]
    [DataRow("Mul", false)]
    [DataRow("Mul", true)]
    [DataRow("Div", false)]
    public void Conv_TakesConstantPerChannel(string op, bool constantFirst)
    {
        foreach (long[] dims in new long[][] { [1, 4, 1, 1], [4, 1, 1], [1], [] })
        {
            foreach (bool bias in new[] { true, false })
            {
                var m = new TestModel();
                var y = m.Node("Conv", [m.Input("x", 2, 3, 4, 4), m.Weight("w", 4, 3, 1, 1), .. bias ? new[] { m.Weight("b", 4) } : []]);
                var c = m.Positive("c", dims);
                m.Output(m.Node(op, constantFirst ? [c, y] : [y, c]));
                m.RunEquivalently(new FoldChannelArithmetic(), Tolerance(3));
                CollectionAssert.AreEqual(new[] { "Conv" }, m.OpTypes(), $"{op} {string.Join(',', dims)}");
            }
        }
    }

    [TestMethod]
    [DataRow("Add")]
    [DataRow("Mul")]
    public void Gemm_TakesConstantAlongItsLastAxis(string op)
    {
        var m = new TestModel();
        var y = m.Node("Gemm", [m.Input("x", 2, 5), m.Weight("w", 6, 5), m.Weight("b", 6)], NodeAttribute.Of("transB", 1L));
        m.Output(m.Node(op, [y, m.Weight("c", 1, 6)]));
        m.RunEquivalently(new FoldChannelArithmetic(), Tolerance(5));
        CollectionAssert.AreEqual(new[] { "Gemm" }, m.OpTypes());
    }

    [TestMethod]
    public void MatMul_TakesFactors_NotItsBias()
    {
        var m = new TestModel();
        var y = m.Node("MatMul", [m.Input("x", 2, 3, 5), m.Weight("w", 5, 6)]);
        m.Output(m.Node("Add", [m.Node("Mul", [y, m.Weight("c", 6)]), m.Weight("b", 6)]));
        m.RunEquivalently(new FoldChannelArithmetic(), Tolerance(5));
        CollectionAssert.AreEqual(new[] { "MatMul", "Add" }, m.OpTypes());
    }

    [TestMethod]
    [DataRow(new long[] { 4 })]
    [DataRow(new long[] { 1, 4, 4, 1 })]
    [DataRow(new long[] { 1, 1, 4, 1, 1 })]
    public void ConstantAlongAnotherAxis_IsNoCandidate(long[] dims)
    {
        var m = new TestModel();
        m.Output(m.Node("Mul", [m.Node("Conv", [m.Input("x", 2, 3, 4, 4), m.Weight("w", 4, 3, 1, 1)]), m.Weight("c", dims)]));
        Assert.IsEmpty(m.RunEquivalently(new FoldChannelArithmetic()).Edits);
    }

    [TestMethod]
    public void QuotientOfConstant_IsNoCandidate()
    {
        var m = new TestModel();
        m.Output(m.Node("Div", [m.Weight("c", 1), m.Node("Conv", [m.Input("x", 2, 3, 4, 4), m.Weight("w", 4, 3, 1, 1)])]));
        Assert.IsEmpty(m.RunEquivalently(new FoldChannelArithmetic()).Edits);
    }

    [TestMethod]
    public void DivisionByZero_IsRefused()
    {
        var m = new TestModel();
        m.Output(m.Node("Div", [m.Node("Conv", [m.Input("x", 2, 3, 4, 4), m.Weight("w", 4, 3, 1, 1)]), m.Constant("c", Tensor.Float([1], 0))]));
        Assert.Contains("finite", m.RunEquivalently(new FoldChannelArithmetic()).Edits.Single().Reason);
    }

    [TestMethod]
    public void SharedBias_IsReplacedWhenTheFileDoesNotGrow()
    {
        var m = new TestModel();
        var (x, b) = (m.Input("x", 1, 3, 4, 4), m.Weight("b", 4));
        var left = m.Node("Conv", [x, m.Weight("w", 4, 3, 1, 1), b]);
        var right = m.Node("Conv", [x, m.Weight("v", 4, 3, 1, 1), b]);
        m.Output(m.Node("Add", [left, m.Weight("c", 1, 4, 1, 1)]), right);
        m.RunEquivalently(new FoldChannelArithmetic(), Tolerance(3));
        CollectionAssert.AreEqual(new[] { "Conv", "Conv" }, m.OpTypes());
        Assert.AreEqual(b, right.Producer!.Inputs[2]);
        Assert.AreNotEqual(b, left.Producer!.Inputs[2]);
    }
}
