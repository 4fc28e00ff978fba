using System.Text;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class ShareDuplicateInitializersTests
{
    [TestMethod]
    public void EqualConstants_InInitializersAndConstantNodes_AreStoredOnce()
    {
        var m = new TestModel();
        var tensor = m.RandomTensor(3, 4);
        var x = m.Input("x", 2, 3, 4);
        var first = m.Constant("first", tensor);
        var y = m.Node("Add", [m.Node("Mul", [x, first]), m.Constant("second", Copy(tensor))]);
        m.Output(m.Node("Sub", [y, m.Node("Constant", [], NodeAttribute.Of("value", Copy(tensor)))]));
        var log = m.RunEquivalently(new ShareDuplicateInitializers());
        Assert.HasCount(2, log.Edits);
        Assert.HasCount(3, first.Uses);
        Assert.AreEqual("first", m.Graph.Initializers.Single().Name);
        Assert.DoesNotContain("Constant", m.OpTypes());
    }

    [TestMethod]
    public void Constants_ThatDifferInOneByteShapeOrType_StaySeparate()
    {
        var m = new TestModel();
        float[] elements = m.RandomTensor(1000).AsSpan<float>().ToArray();
        float[] other = [.. elements];
        other[777] = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(other[777]) ^ 1);
        var x = m.Input("x", 1, 1000);
        var y = m.Node("Add", [x, m.Constant("a", Tensor.Float([1000], elements))]);
        y = m.Node("Add", [y, m.Constant("b", Tensor.Float([1000], other))]);
        y = m.Node("Add", [y, m.Constant("c", Tensor.Float([1, 1000], elements))]);
        m.Output(m.Node("Mul", [y, m.Node("Cast", [m.Constant("d", Tensor.Create(DataType.Int32, [1000], elements))], NodeAttribute.Of("to", 1L))]));
        Assert.IsEmpty(m.RunEquivalently(new ShareDuplicateInitializers()).Edits);
        Assert.HasCount(4, m.Graph.Initializers);
    }

    [TestMethod]
    public void Strings_AreComparedByContent()
    {
        var m = new TestModel();
        var log = new[] { "ab", "ab", "ac" }.Select(t => m.Constant("s", Tensor.FromStrings([1], [Encoding.UTF8.GetBytes(t)]))).ToArray();
        foreach (var text in log)
        {
            var same = m.Node("Identity", [text]);
            same.Type = new TensorType(DataType.String, Shape.Of(1));
            m.Output(same);
        }

        Assert.HasCount(1, m.RunEquivalently(new ShareDuplicateInitializers()).Edits);
        Assert.HasCount(2, m.Graph.Initializers);
    }

    [TestMethod]
    [DataRow(64, true)]
    [DataRow(63, false)]
    public void ConstantOfSubgraph_IsTakenFromOutsideWhenLongEnough(int length, bool shared)
    {
        var m = new TestModel();
        var tensor = m.RandomTensor(length);
        var x = m.Input("x", length);
        m.Output(m.Node("Add", [x, m.Constant("outer", tensor)]));
        var then = m.Subgraph("then");
        then.Output(then.Node("Add", [x, then.Constant("inner", Copy(tensor))]));
        var otherwise = m.Subgraph("else");
        otherwise.Output(otherwise.Node("Neg", [x]));
        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", otherwise.Graph)));
        m.RunEquivalently(new ShareDuplicateInitializers());
        Assert.HasCount(shared ? 0 : 1, then.Graph.Initializers);
    }

    [TestMethod]
    public void ConstantOfSubgraph_BeforeTheOuterConstantNode_MovesOutWithIt()
    {
        var m = new TestModel();
        var tensor = m.RandomTensor(100);
        var x = m.Input("x", 100);
        var then = m.Subgraph("then");
        then.Output(then.Node("Add", [x, then.Constant("inner", Copy(tensor))]));
        var otherwise = m.Subgraph("else");
        otherwise.Output(otherwise.Node("Neg", [x]));
        var y = m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", otherwise.Graph));
        m.Output(m.Node("Add", [y, m.Node("Constant", [], NodeAttribute.Of("value", tensor))]));
        m.RunEquivalently(new ShareDuplicateInitializers());
        Assert.HasCount(2, m.Graph.Initializers.Single().Uses);
    }

    [TestMethod]
    [DataRow(64, 8, true)]
    [DataRow(63, 8, false)]
    [DataRow(64, 3, false)]
    public void EqualConstantsOfBranches_MoveAroundThem(int length, int irVersion, bool shared)
    {
        var m = new TestModel();
        m.Model.IrVersion = irVersion;
        var tensor = m.RandomTensor(length);
        var x = m.Input("x", length);
        var then = m.Subgraph("then");
        then.Output(then.Node("Add", [x, Constant(then, tensor)]));
        var deeper = m.Subgraph("deeper");
        deeper.Output(deeper.Node("Mul", [x, Constant(deeper, tensor)]));
        var flat = m.Subgraph("flat");
        flat.Output(flat.Node("Sub", [x, Constant(flat, tensor)]));
        var otherwise = m.Subgraph("else");
        otherwise.Output(otherwise.Node("If", [m.Input("d", DataType.Bool)], NodeAttribute.Of("then_branch", deeper.Graph), NodeAttribute.Of("else_branch", flat.Graph)));
        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", otherwise.Graph)));
        m.RunEquivalently(new ShareDuplicateInitializers());
        Assert.HasCount(shared ? 1 : 0, m.Graph.Initializers);
        Assert.AreEqual(shared ? 0 : 3, new[] { then, deeper, flat }.Sum(b => b.Graph.Initializers.Count + b.Graph.Nodes.Count(n => n.Is("Constant"))));

        // Before IR 4 an initializer would have to be an input of the branch.
        Value Constant(TestModel branch, Tensor content) => irVersion < 4 ? branch.Node("Constant", [], NodeAttribute.Of("value", Copy(content))) : branch.Constant("w", Copy(content));
    }

    [TestMethod]
    public void ConstantThatABranchReturns_StaysItsOwn()
    {
        var m = new TestModel();
        var tensor = m.RandomTensor(100);
        var branches = new[] { "then", "else" }.Select(name =>
        {
            var branch = m.Subgraph(name);
            branch.Output(branch.Constant(name, Copy(tensor)));
            return branch;
        }).ToArray();
        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", branches[0].Graph), NodeAttribute.Of("else_branch", branches[1].Graph)));
        Assert.IsEmpty(m.RunEquivalently(new ShareDuplicateInitializers()).Edits);
    }

    [TestMethod]
    public void OverridableInitializer_StaysItsOwn()
    {
        var m = new TestModel();
        var tensor = m.RandomTensor(3);
        var listed = m.Input("w", 3);
        m.Graph.SetInitializer(listed, tensor);
        m.Output(m.Node("Add", [m.Node("Mul", [m.Input("x", 3), listed]), m.Constant("b", Copy(tensor))]));
        Assert.IsEmpty(m.RunEquivalently(new ShareDuplicateInitializers()).Edits);
    }

    private static Tensor Copy(Tensor tensor) => Tensor.Float(tensor.Dims, tensor.AsSpan<float>().ToArray());
}
