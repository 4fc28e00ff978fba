using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Quantization;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

[TestClass]
public sealed class JoinHalfConstantsTests
{
    [TestMethod]
    [DataRow(8L)]
    [DataRow(12L)]
    [DataRow(13L)]
    [DataRow(18L)]
    public void ScalesAndBiases_AreStoredAsOnePerRank_AndFoldedAtLoad(long opset)
    {
        var m = Scaled(opset, 6);
        long before = OnnxWriter.ToBytes(m.Model).Length;
        m.RunEquivalently(new JoinHalfConstants());
        Assert.IsLessThan(before - 100, OnnxWriter.ToBytes(m.Model).Length);
        Assert.HasCount(2, m.Graph.Initializers.Where(v => v.Initializer!.DataType == DataType.Float16).ToArray());
        Assert.AreEqual(2, m.OpTypes().Count(o => o == "Split"));
        Assert.AreEqual(2, m.OpTypes().Count(o => o == "Cast"));
        CollectionAssert.AreEquivalent(Enumerable.Repeat("Add", 6).Concat(Enumerable.Repeat("Mul", 6)).ToArray(), OptimizedModel.OpTypes(m.Model).Where(o => o is not "Reshape").ToArray());
    }

    /// <summary>Opening a model with thousands of scales took a minute when one Split gave them all.</summary>
    [TestMethod]
    public void Many_AreStoredInParts()
    {
        var m = new TestModel();
        var value = m.Input("x", 2, 8);
        for (int i = 0; i < JoinHalfConstants.MaxCount + JoinHalfConstants.MinCount; i++) value = m.Node("Add", [value, Widened(m, m.Constant("bias", Halves(8)))]);
        m.Output(value);
        m.RunEquivalently(new JoinHalfConstants());
        CollectionAssert.AreEqual(new[] { JoinHalfConstants.MaxCount, JoinHalfConstants.MinCount }, m.Graph.Nodes.Where(n => n.Is("Split")).Select(n => n.Outputs.Count).OrderDescending().ToArray());
        Assert.AreEqual(2, m.OpTypes().Count(o => o == "Cast"));
    }

    [TestMethod]
    public void BeforeIr4_ConstantNodesAreJoinedIntoOne()
    {
        var m = new TestModel(opset: 11, irVersion: 3);
        var value = m.Input("x", 2, 8);
        for (int i = 0; i < 5; i++) value = m.Node("Add", [value, Widened(m, m.Node("Constant", [], NodeAttribute.Of("value", Halves(8))))]);
        m.Output(value);
        m.RunEquivalently(new JoinHalfConstants());
        Assert.AreEqual(1, m.OpTypes().Count(o => o == "Constant"));
        Assert.IsEmpty(m.Graph.Initializers);
    }

    [TestMethod]
    public void Three_Shared_Returned_AndOtherShapes_StayAsTheyAre()
    {
        var m = Scaled(13, 3);
        var shared = m.Constant("shared", Halves(8));
        var output = Widened(m, shared);
        m.Output(m.Node("Add", [output, Widened(m, shared)]), Widened(m, m.Constant("returned", Halves(8))));
        for (int i = 0; i < 4; i++) m.Output(m.Node("Relu", [Widened(m, m.Constant("square", Halves(2, 4)))]));
        m.RunEquivalently(new JoinHalfConstants());
        CollectionAssert.DoesNotContain(m.OpTypes(), "Split");
    }

    private static TestModel Scaled(long opset, int layers)
    {
        var m = new TestModel(opset);
        var value = m.Input("x", 1, 8, 1, 1);
        for (int i = 0; i < layers; i++)
        {
            value = m.Node("Mul", [value, Widened(m, m.Constant("scale", Halves(8, 1, 1, 1)))]);
            value = m.Node("Add", [value, Widened(m, m.Constant("bias", Halves(8 + (i % 2 * 8)))) is var bias && i % 2 == 0 ? bias : m.Node("Reshape", [bias, m.Ints(2, 8)])]);
        }

        m.Output(value);
        return m;
    }

    private static Value Widened(TestModel m, Value half) => m.Node("Cast", [half], NodeAttribute.Of("to", (long)DataType.Float));

    private static Tensor Halves(params long[] dims) =>
        Tensor.Create(DataType.Float16, dims, [.. Enumerable.Range(0, (int)Tensor.CountElements(dims)).Select(i => (Half)(0.5 + (i * 0.125)))]);
}
