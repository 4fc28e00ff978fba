using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class RemoveIdentitiesTests
{
    public static IEnumerable<object[]> Candidates()
    {
        foreach (long opset in new long[] { 7, 11, 12, 13, 22 }) yield return Case("Dropout", opset, true, (m, x) => m.Node("Dropout", [x]));
        yield return Case("Dropout, training_mode false", 13, true, (m, x) => m.Node("Dropout", [x, null, m.Constant("t", Bool(false))]));
        yield return Case("Dropout, training_mode true", 13, false, (m, x) => m.Node("Dropout", [x, m.Constant("r", Tensor.Float([], 0)), m.Constant("t", Bool(true))]));
        yield return Case("Cast to its type", 13, true, (m, x) => m.Node("Cast", [x], NodeAttribute.Of("to", (long)DataType.Float)));
        yield return Case("CastLike of its type", 15, true, (m, x) => m.Node("CastLike", [x, m.Constant("l", Tensor.Float([1], 0))]));
        yield return Case("Transpose in order", 13, true, (m, x) => m.Node("Transpose", [x], NodeAttribute.Of("perm", 0L, 1L)));
        yield return Case("Transpose", 13, false, (m, x) => m.Node("Transpose", [x], NodeAttribute.Of("perm", 1L, 0L)));
        yield return Case("Transpose without perm", 13, false, (m, x) => m.Node("Transpose", [x]));
        yield return Case("Concat of one", 13, true, (m, x) => m.Node("Concat", [x], NodeAttribute.Of("axis", 1L)));
        yield return Case("Max of one", 13, true, (m, x) => m.Node("Max", [x]));
        yield return Case("Pad by nothing", 13, true, (m, x) => m.Node("Pad", [x, m.Ints(0, 0, 0, 0)]));
        yield return Case("Pad by nothing, attribute", 10, true, (m, x) => m.Node("Pad", [x], NodeAttribute.Of("pads", 0L, 0L, 0L, 0L)));
        yield return Case("Pad", 13, false, (m, x) => m.Node("Pad", [x, m.Ints(0, 1, 0, 0)]));
        yield return Case("Slice of everything", 13, true, (m, x) => m.Node("Slice", [x, m.Ints(0), m.Ints(long.MaxValue), m.Ints(1)]));
        yield return Case("Slice backwards", 13, false, (m, x) => m.Node("Slice", [x, m.Ints(0), m.Ints(long.MaxValue), m.Ints(1), m.Ints(2)]));
        yield return Case("Slice of a part", 13, false, (m, x) => m.Node("Slice", [x, m.Ints(1), m.Ints(long.MaxValue), m.Ints(1)]));
        yield return Case("Mul by 1", 13, true, (m, x) => m.Node("Mul", [x, m.Constant("c", Tensor.Float([1], 1))]));
        yield return Case("Mul by a 1 with more axes", 13, false, (m, x) => m.Node("Mul", [x, m.Constant("c", Tensor.Float([1, 1, 1], 1))]));
        yield return Case("Div by 1", 13, true, (m, x) => m.Node("Div", [x, m.Constant("c", Tensor.Float([], 1))]));
        yield return Case("Div by 2", 13, false, (m, x) => m.Node("Div", [x, m.Constant("c", Tensor.Float([], 2))]));
        yield return Case("Add of +0, which changes −0", 13, false, (m, x) => m.Node("Add", [x, m.Constant("c", Tensor.Float([], 0))]));
        yield return Case("Sub of 0", 13, true, (m, x) => m.Node("Sub", [x, m.Constant("c", Tensor.Float([], 0))]));
    }

    [TestMethod]
    [DynamicData(nameof(Candidates))]
    public void Candidate_IsRemovedOnlyWhenItDoesNothing(string name, long opset, bool removed, Func<object, Value, Value> build)
    {
        var m = new TestModel(opset);
        var x = m.Node("Relu", [m.Input("x", 2, 3)]);
        x.Type = new TensorType(DataType.Float, Shape.Of(2, 3));
        m.Output(m.Node("Neg", [build(m, x)]));
        int before = m.Graph.Nodes.Count;
        m.RunEquivalently(new RemoveIdentities());
        Assert.HasCount(removed ? before - 1 : before, m.Graph.Nodes, name);
    }

    [TestMethod]
    public void Chain_BehindAnOutput_KeepsTheOutputName()
    {
        var m = new TestModel();
        var y = m.Node("Identity", [m.Node("Identity", [m.Node("Relu", [m.Input("x", 2)])])]);
        string name = y.Name;
        m.Output(y);
        m.RunEquivalently(new RemoveIdentities());
        CollectionAssert.AreEqual(new[] { "Relu" }, m.OpTypes());
        Assert.AreEqual(name, m.Graph.Outputs[0].Name);
    }

    [TestMethod]
    public void UsedMask_IsRefused()
    {
        var m = new TestModel();
        var dropout = m.MultiNode("Dropout", [m.Input("x", 2)], 2);
        dropout.Outputs[1]!.Type = new TensorType(DataType.Bool, null);
        m.Output(dropout.Outputs[0]!, dropout.Outputs[1]!);
        AssertRefused(m, "another output");
    }

    [TestMethod]
    public void ReturnedInput_IsRefused()
    {
        var m = new TestModel();
        m.Output(m.Node("Identity", [m.Input("x", 2)]));
        AssertRefused(m, "graph input");
    }

    [TestMethod]
    public void ReturnedTwice_IsRefused()
    {
        var m = new TestModel();
        var y = m.Node("Relu", [m.Input("x", 2)]);
        m.Output(y, m.Node("Identity", [y]));
        AssertRefused(m, "under another name");
    }

    [TestMethod]
    public void DropoutBeforeOpset7_WithoutIsTest_IsRefused()
    {
        var m = new TestModel(opset: 6);
        m.Output(m.Node("Neg", [m.Node("Dropout", [m.Input("x", 2)])]));
        Assert.Contains("training mode", m.Run(new RemoveIdentities()).Edits.Single(e => !e.Applied).Reason);
        Assert.HasCount(2, m.Graph.Nodes);
    }

    [TestMethod]
    public void TrainingModeThatIsAnInput_IsRefused()
    {
        var m = new TestModel();
        var mode = m.Input("mode", DataType.Bool);
        m.Output(m.Node("Neg", [m.Node("Dropout", [m.Input("x", 2), null, mode])]));
        Assert.Contains("not constant", m.Run(new RemoveIdentities()).Edits.Single().Reason);
    }

    [TestMethod]
    public void CapturedValue_ReturnedBySubgraph_IsRefused_UsedThere_IsReplaced()
    {
        var m = new TestModel();
        var x = m.Input("x", 2);
        var outer = m.Node("Identity", [x]);
        var then = m.Subgraph("then");
        then.Output(then.Node("Identity", [outer]));
        var otherwise = m.Subgraph("else");
        otherwise.Output(otherwise.Node("Neg", [outer]));
        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", otherwise.Graph)));
        var log = m.RunEquivalently(new RemoveIdentities());
        CollectionAssert.AreEqual(new[] { "If", "Identity", "Neg" }, m.OpTypes());
        Assert.AreEqual(x, otherwise.Graph.Nodes[0].Inputs[0]);
        Assert.Contains("outer graph", log.Edits.Single(e => !e.Applied).Reason);
    }

    [TestMethod]
    public void CastOfUnknownFunctionAttribute_IsLeftAlone()
    {
        var m = new TestModel();
        m.Model.OpsetImports["local"] = 1;
        var body = new OnnxGraph();
        var a = body.AddInput("a", new TensorType(DataType.Float, null));
        body.AddOutput(body.AddNode("Neg", [body.AddNode("Cast", [a], ["b"], [NodeAttribute.Reference("to", AttributeType.Int, "type")]).Outputs[0]], ["c"]).Outputs[0]!);
        var function = new Function("local", "F", body) { AttributeNames = ["type"] };
        function.OpsetImports[""] = 13;
        m.Model.AddFunction(function);
        Assert.IsEmpty(m.Run(new RemoveIdentities()).Edits);
        Assert.HasCount(2, body.Nodes);
    }

    private static void AssertRefused(TestModel m, string reason)
    {
        int before = m.Graph.Nodes.Count;
        var log = m.RunEquivalently(new RemoveIdentities());
        Assert.Contains(reason, log.Edits.Single(e => !e.Applied).Reason);
        Assert.HasCount(before, m.Graph.Nodes);
    }

    private static object[] Case(string name, long opset, bool removed, Func<TestModel, Value, Value> build) =>
        [name, opset, removed, (Func<object, Value, Value>)((m, x) => build((TestModel)m, x))];

    private static Tensor Bool(bool value) => Tensor.Create(DataType.Bool, [], new[] { value ? (byte)1 : (byte)0 });
}
