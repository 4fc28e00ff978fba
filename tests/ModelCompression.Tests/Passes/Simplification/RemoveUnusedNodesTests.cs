using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class RemoveUnusedNodesTests
{
    [TestMethod]
    public void Chain_NothingDependsOn_GoesWithItsInitializer()
    {
        var m = new TestModel();
        var x = m.Input("x", 2, 3);
        m.Node("Exp", [m.Node("Add", [x, m.Weight("w", 3)])]);
        m.Output(m.Node("Relu", [x]));
        var log = m.RunEquivalently(new RemoveUnusedNodes());
        CollectionAssert.AreEqual(new[] { "Relu" }, m.OpTypes());
        Assert.IsEmpty(m.Graph.Initializers);
        Assert.HasCount(3, log.Edits);
    }

    [TestMethod]
    public void Input_NotUsed_Stays()
    {
        var m = new TestModel();
        m.Input("unused", 2);
        m.Output(m.Node("Relu", [m.Input("x", 2)]));
        m.RunEquivalently(new RemoveUnusedNodes());
        Assert.HasCount(2, m.Graph.Inputs);
    }

    [TestMethod]
    [DataRow(3L, 0)]
    [DataRow(8L, 1)]
    public void UnusedInitializer_ListedAsInput_StaysFromIr4On(long irVersion, int left)
    {
        var m = new TestModel(opset: 8, irVersion);
        var listed = m.Input("w", 2);
        m.Graph.SetInitializer(listed, Tensor.Float([2], 1, 2));
        m.Output(m.Node("Relu", [m.Input("x", 2)]));
        m.RunEquivalently(new RemoveUnusedNodes());
        Assert.HasCount(left, m.Graph.Initializers);
        Assert.HasCount(left + 1, m.Graph.Inputs);
    }

    [TestMethod]
    public void Node_UsedOnlyInSubgraph_Stays_AndDeadPartOfSubgraphGoes()
    {
        var m = new TestModel();
        var x = m.Input("x", 2, 3);
        var captured = m.Node("Exp", [x]);
        var dead = m.Node("Log", [x]);
        var then = m.Subgraph("then");
        then.Node("Neg", [dead]);
        then.Output(then.Node("Relu", [captured]));
        var otherwise = m.Subgraph("else");
        otherwise.Output(otherwise.Node("Neg", [x]));
        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", otherwise.Graph)));
        m.RunEquivalently(new RemoveUnusedNodes());
        CollectionAssert.AreEqual(new[] { "Exp", "If", "Relu", "Neg" }, m.OpTypes());
    }

    [TestMethod]
    public void CustomOperator_WithUnusedOutput_Stays()
    {
        var m = new TestModel();
        var x = m.Input("x", 2);
        m.Model.OpsetImports["my.domain"] = 1;
        m.Graph.AddNode("Print", [x], ["printed"], domain: "my.domain");
        m.Output(m.Node("Relu", [x]));
        Assert.IsEmpty(m.Run(new RemoveUnusedNodes()).Edits);
        Assert.HasCount(2, m.Graph.Nodes);
    }

    [TestMethod]
    public void Function_NothingCalls_Goes_TheCalledOneStays()
    {
        var m = new TestModel();
        m.Model.OpsetImports["local"] = 1;
        foreach (string name in new[] { "Called", "Uncalled" })
        {
            var body = new OnnxGraph();
            body.AddOutput(body.AddNode("Relu", [body.AddInput("a", null)], ["b"]).Outputs[0]!);
            var function = new Function("local", name, body);
            function.OpsetImports[""] = 13;
            m.Model.AddFunction(function);
        }

        var y = m.Graph.AddNode("Called", [m.Input("x", 2)], ["y"], domain: "local").Outputs[0]!;
        m.Output(y);
        m.RunEquivalently(new RemoveUnusedNodes());
        Assert.AreEqual("Called", m.Model.Functions.Single().Name);
    }
}
