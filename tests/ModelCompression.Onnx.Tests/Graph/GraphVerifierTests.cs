using ModelCompression.Onnx.Graph;
using static ModelCompression.Onnx.Tests.Graph.GraphBuilding;

namespace ModelCompression.Onnx.Tests.Graph;

[TestClass]
public class GraphVerifierTests
{
    [TestMethod]
    public void NodeBeforeItsInput_IsFound()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var y = model.Graph.Op("Relu", "y", x);
        model.Graph.AddNode("Abs", [y], ["z"], index: 0);
        Expect(model, "uses 'y' before it is defined");
        Assert.IsTrue(model.Graph.TrySortTopologically());
        AssertSound(model);
    }

    [TestMethod]
    public void MissingOpset_IsFound()
    {
        var model = NewModel();
        var node = model.Graph.AddNode("F", [model.Graph.Input("x")], ["y"], domain: "custom");
        Expect(model, "has no opset import");
        model.AddFunction(new Function("custom", node.OpType, new OnnxGraph()));
        AssertSound(model);
    }

    [TestMethod]
    public void ValueOfASiblingSubgraph_IsNotDefined()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        Value? inner = null;
        model.Graph.If(x, body => inner = body.Op("Abs", "a", x));
        model.Graph.If(x, body => body.Op("Neg", "n", inner), "second");
        Expect(model, "uses 'a' before it is defined");
    }

    [TestMethod]
    public void NameDefinedTwiceInOneGraph_IsFound()
    {
        var model = NewModel();
        model.Graph.Input("x");
        model.Graph.Input("x");
        Expect(model, "'x' is defined twice");
    }

    [TestMethod]
    public void SiblingSubgraphs_MayUseTheSameNames()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        foreach (string output in new[] { "first", "second" })
        {
            model.Graph.If(x, body =>
            {
                var own = body.AddInput("same", null);
                return body.Op("Abs", output + "_abs", own);
            }, output);
        }

        AssertSound(model);
    }

    [TestMethod]
    public void ShadowedName_IsAProblemOnlyWhereTheOuterValueIsMeant()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var node = model.Graph.If(x, body =>
        {
            body.AddInput("x", null);
            return body.Op("Abs", "a", body.Inputs[0]);
        });
        AssertSound(model);
        node.Subgraphs.Single().Nodes[0].SetInput(0, x);
        Expect(model, "whose name leads to another value");
    }

    [TestMethod]
    public void OutputNobodyDefines_IsFound()
    {
        var model = NewModel();
        model.Graph.AddOutput(model.Graph.NewValue("ghost"));
        Expect(model, "uses 'ghost' before it is defined");
    }

    [TestMethod]
    public void LostUse_IsFound()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var node = model.Graph.AddNode("Abs", [x], ["y"]);
        x.RemoveUseAt(0);
        Expect(model, "'x' lists 0 uses but has 1");
        x.AddUse(new Use(node, 0));
        x.AddUse(new Use(node, 3));
        Expect(model, "that does not exist");
    }

    private static void Expect(Model model, string problem)
    {
        var problems = GraphVerifier.Verify(model);
        Assert.IsTrue(problems.Any(p => p.Contains(problem, StringComparison.Ordinal)), $"'{problem}' not in: {string.Join('\n', problems)}");
    }
}
