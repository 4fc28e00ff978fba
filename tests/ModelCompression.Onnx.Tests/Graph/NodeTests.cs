using ModelCompression.Onnx.Graph;
using static ModelCompression.Onnx.Tests.Graph.GraphBuilding;

namespace ModelCompression.Onnx.Tests.Graph;

[TestClass]
public class NodeTests
{
    [TestMethod]
    public void SetInput_BeyondTheEnd_AddsOmittedInputs()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var node = model.Graph.AddNode("Clip", [x], ["y"]);
        node.SetInput(2, x);
        Assert.HasCount(3, node.Inputs);
        Assert.IsNull(node.Inputs[1]);
        Assert.HasCount(2, x.Uses);
        node.TrimInputs(1);
        Assert.HasCount(1, x.Uses);
        AssertSound(model);
    }

    [TestMethod]
    public void SetAttribute_ReplacesInPlaceAndDismantlesTheOldSubgraph()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var node = model.Graph.If(x, body => body.Op("Abs", "a", x));
        node.SetAttribute(NodeAttribute.Of("else_branch", 1));
        var replacement = new OnnxGraph("new", model.Graph);
        replacement.AddOutput(replacement.Op("Neg", "n", x));

        node.SetAttribute(NodeAttribute.Of("then_branch", replacement));

        CollectionAssert.AreEqual(new[] { "then_branch", "else_branch" }, node.Attributes.Select(a => a.Name).ToArray());
        Assert.AreEqual(node, replacement.ParentNode);
        Assert.HasCount(2, x.Uses);
        AssertSound(model);
    }

    [TestMethod]
    public void TypedReaders_FallBackForOtherKindsAndFunctionParameters()
    {
        var node = new OnnxGraph().AddNode("X", [], ["y"],
        [
            NodeAttribute.Of("i", 5L), NodeAttribute.Of("f", 1.5f), NodeAttribute.Of("s", "text"), NodeAttribute.Of("is", 1L, 2L),
            new NodeAttribute("ref", AttributeType.Int, null) { ReferencedName = "axis" },
        ]);
        Assert.AreEqual((5L, -1L, -1L), (node.GetInt("i", -1), node.GetInt("f", -1), node.GetInt("none", -1)));
        Assert.AreEqual((1.5f, 9f), (node.GetFloat("f", 9), node.GetFloat("i", 9)));
        Assert.AreEqual(("text", ""), (node.GetString("s", ""), node.GetString("i", "")));
        Assert.IsNull(node.GetInts("i"));
        Assert.AreEqual(-1L, node.GetInt("ref", -1));
        Assert.IsTrue(node.IsParameterized);
        Assert.ThrowsExactly<InvalidOperationException>(() => node.Attributes[4].Int);
        Assert.ThrowsExactly<InvalidOperationException>(() => node.Attributes[0].Float);
    }

    [TestMethod]
    public void DisplayName_FallsBackToOperatorAndOutput()
    {
        var graph = new OnnxGraph();
        Assert.AreEqual("Relu(y)", graph.AddNode("Relu", [], ["", "y"]).DisplayName);
        Assert.AreEqual("n", graph.AddNode("Relu", [], ["z"], name: "n").DisplayName);
    }
}
