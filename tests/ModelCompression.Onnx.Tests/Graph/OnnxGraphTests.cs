using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using static ModelCompression.Onnx.Tests.Graph.GraphBuilding;

namespace ModelCompression.Onnx.Tests.Graph;

[TestClass]
public class OnnxGraphTests
{
    [TestMethod]
    public void NewName_IsUniqueInSubgraphsToo()
    {
        var graph = new OnnxGraph();
        var inner = new OnnxGraph("inner", graph);
        Assert.AreEqual("a", graph.NewName("a"));
        Assert.AreEqual("a_1", inner.NewName("a"));
        Assert.AreEqual("a_2", graph.NewName("a"));
        Assert.AreEqual("a_1_1", graph.NewName("a_1"));
    }

    [TestMethod]
    public void NewName_TakesTheFirstFreeNumber()
    {
        var graph = new OnnxGraph();
        graph.Input("w");
        graph.Input("w_1");
        Assert.AreEqual("w_2", graph.NewName("w"));
    }

    [TestMethod]
    public void AddNode_RegistersUsesAndOmittedInputs()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var node = model.Graph.AddNode("Clip", [x, null, x], ["y", "", "z"]);
        Assert.HasCount(2, x.Uses);
        Assert.IsNull(node.Inputs[1]);
        Assert.IsNull(node.Outputs[1]);
        Assert.AreEqual(2, node.Outputs[2]!.OutputIndex);
        AssertSound(model);
    }

    [TestMethod]
    public void AddNode_AtAWrongPosition_ChangesNothing()
    {
        var graph = new OnnxGraph();
        var x = graph.Input("x");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => graph.AddNode("Relu", [x], ["y"], index: 1));
        Assert.IsEmpty(x.Uses);
        Assert.AreEqual("y", graph.NewName("y"));
    }

    [TestMethod]
    public void InsertBefore_KeepsTheOrder()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var y = model.Graph.Op("Relu", "y", x);
        var inserted = model.Graph.InsertBefore(y.Producer!, "Abs", [x], "a");
        y.Producer!.SetInput(0, inserted);
        CollectionAssert.AreEqual(new[] { "Abs", "Relu" }, model.Graph.Nodes.Select(n => n.OpType).ToArray());
        AssertSound(model);
    }

    [TestMethod]
    public void RemoveNode_WhoseOutputIsUsedOrReturned_IsRefused()
    {
        var graph = new OnnxGraph();
        var x = graph.Input("x");
        var a = graph.Op("Abs", "a", x);
        var b = graph.Op("Relu", "b", a);
        graph.AddOutput(b);
        Assert.ThrowsExactly<InvalidOperationException>(() => graph.RemoveNode(a.Producer!));
        Assert.ThrowsExactly<InvalidOperationException>(() => graph.RemoveNode(b.Producer!));
        Assert.HasCount(2, graph.Nodes);
        Assert.HasCount(1, a.Uses);
    }

    [TestMethod]
    public void RemoveNode_WhoseOutputIsReferencedByName_IsRefused()
    {
        var graph = new OnnxGraph();
        var a = graph.Op("Abs", "a", graph.Input("x"));
        a.IsReferencedByName = true;
        Assert.IsFalse(a.IsUnused);
        Assert.ThrowsExactly<InvalidOperationException>(() => graph.RemoveNode(a.Producer!));
    }

    [TestMethod]
    public void RemoveNodes_MayUseOneAnother()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var a = model.Graph.Op("Abs", "a", x);
        var b = model.Graph.Op("Relu", "b", a);
        model.Graph.RemoveNodes([a.Producer!, b.Producer!]);
        Assert.IsEmpty(model.Graph.Nodes);
        Assert.IsTrue(x.IsUnused);
    }

    [TestMethod]
    public void RemovedControlFlowNode_ReleasesWhatItsSubgraphsCaptured()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var captured = model.Graph.Op("Abs", "a", x);
        var node = model.Graph.If(x, body => body.If(captured, inner => inner.Op("Neg", "deep", captured), "i").Outputs[0]!);
        AssertSound(model);
        Assert.HasCount(2, captured.Uses);
        model.Graph.RemoveNode(node);
        Assert.IsTrue(captured.IsUnused);
        AssertSound(model);
    }

    [TestMethod]
    public void SubgraphThatReturnsACapturedValue_CountsAsUser()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var captured = model.Graph.Op("Abs", "a", x);
        var node = model.Graph.If(x, _ => captured);
        Assert.IsTrue(captured.IsGraphOutput);
        Assert.ThrowsExactly<InvalidOperationException>(() => model.Graph.RemoveNode(captured.Producer!));
        model.Graph.RemoveNode(node);
        Assert.IsTrue(captured.IsUnused);
    }

    [TestMethod]
    public void SetInitializer_OnANodeOutput_IsRefused()
    {
        var graph = new OnnxGraph();
        var a = graph.Op("Abs", "a", graph.Input("x"));
        Assert.ThrowsExactly<ArgumentException>(() => graph.SetInitializer(a, Tensor.Float([1], 1)));
    }

    [TestMethod]
    public void InputWithAnInitializer_KeepsItWhenTakenOffTheInputs()
    {
        var graph = new OnnxGraph();
        var w = graph.Input("w");
        graph.SetInitializer(w, Tensor.Float([2], 1, 2));
        graph.SetInitializer(w, Tensor.Float([2], 3, 4));
        Assert.HasCount(1, graph.Initializers);
        graph.RemoveInput(w);
        Assert.IsFalse(w.IsGraphInput);
        Assert.AreEqual(3f, w.Initializer!.AsSpan<float>()[0]);
    }

    [TestMethod]
    public void RemoveInitializer_ThatIsUsed_IsRefused()
    {
        var graph = new OnnxGraph();
        var w = graph.AddInitializer("w", Tensor.Float([1], 1));
        var y = graph.Op("Abs", "y", w);
        Assert.ThrowsExactly<InvalidOperationException>(() => graph.RemoveInitializer(w));
        graph.RemoveNode(y.Producer!);
        graph.RemoveInitializer(w);
        Assert.IsEmpty(graph.Initializers);
    }

    [TestMethod]
    public void ReplaceOutput_GivesTheInterfaceNameToTheReplacement()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var y = model.Graph.Op("Relu", "y", x);
        model.Graph.AddOutput(y);
        model.Graph.AddOutput(y);
        var z = model.Graph.Op("Abs", "z", y);
        model.Graph.ReplaceOutput(y, z);
        Assert.AreEqual(("y", "z"), (z.Name, y.Name));
        CollectionAssert.AreEqual(new[] { z, z }, model.Graph.Outputs.ToArray());
        Assert.IsFalse(y.IsGraphOutput);
        Assert.HasCount(2, z.OutputOf);
        AssertSound(model);
    }

    [TestMethod]
    public void ReplaceOutput_OfAnInputThatIsReturned_IsRefused()
    {
        var graph = new OnnxGraph();
        var x = graph.Input("x");
        graph.AddOutput(x);
        var y = graph.Op("Relu", "y", x);
        Assert.ThrowsExactly<InvalidOperationException>(() => graph.ReplaceOutput(x, y));
        Assert.AreEqual("x", x.Name);
        CollectionAssert.AreEqual(new[] { x }, graph.Outputs.ToArray());
    }

    [TestMethod]
    public void ReplaceOutput_InASubgraph_LeavesTheOuterNameAlone()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var captured = model.Graph.Op("Abs", "a", x);
        model.Graph.AddOutput(captured);
        var body = model.Graph.If(x, _ => captured).Subgraphs.Single();
        body.ReplaceOutput(captured, body.Op("Neg", "n", captured));
        Assert.AreEqual("a", captured.Name);
        Assert.AreEqual("n", body.Outputs[0].Name);
        AssertSound(model);
    }

    [TestMethod]
    public void SelfAndSubgraphs_AreDepthFirst()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        model.Graph.If(x, body => body.If(x, inner => inner.Op("Neg", "n", x), "i1").Outputs[0]!);
        model.Graph.If(x, body => body.Op("Exp", "e", x), "second");
        CollectionAssert.AreEqual(new[] { "If", "If", "If", "Neg", "Exp" }, model.Graph.AllNodes().Select(n => n.OpType).ToArray());
        AssertSound(model);
    }
}
