using ModelCompression.Onnx.Graph;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class RemoveUnusedOpsetImportsTests
{
    [TestMethod]
    public void Import_OfNoNode_Goes_TheStandardOneStays()
    {
        var m = new TestModel();
        m.Model.OpsetImports["com.microsoft"] = 1;
        m.Model.OpsetImports["ai.onnx.ml"] = 3;
        var scaled = m.Graph.AddNode("Scaler", [m.Input("x", 2, 3)], ["y"], [NodeAttribute.Of("offset", [1f]), NodeAttribute.Of("scale", [2f])], "ai.onnx.ml");
        m.Output(scaled.Outputs[0]!);
        m.RunEquivalently(new RemoveUnusedOpsetImports());
        CollectionAssert.AreEqual(new[] { "", "ai.onnx.ml" }, m.Model.OpsetImports.All.Select(i => i.Key).ToArray());
    }

    [TestMethod]
    public void Import_UsedInSubgraphOnly_Stays()
    {
        var m = new TestModel();
        m.Model.OpsetImports["ai.onnx.ml"] = 3;
        var x = m.Input("x", 2, 3);
        var then = m.Subgraph("then");
        then.Output(then.Graph.AddNode("Scaler", [x], ["s"], [NodeAttribute.Of("scale", [2f]), NodeAttribute.Of("offset", [1f])], "ai.onnx.ml").Outputs[0]!);
        var otherwise = m.Subgraph("else");
        otherwise.Output(otherwise.Node("Neg", [x]));
        m.Output(m.Node("If", [m.Input("c", Onnx.Tensors.DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", otherwise.Graph)));
        m.RunEquivalently(new RemoveUnusedOpsetImports());
        Assert.IsTrue(m.Model.OpsetImports.Contains("ai.onnx.ml"));
    }

    [TestMethod]
    public void Function_LosesItsOwnUnusedImports()
    {
        var m = new TestModel();
        m.Model.OpsetImports["local"] = 1;
        var body = new OnnxGraph();
        body.AddOutput(body.AddNode("Relu", [body.AddInput("a", null)], ["b"]).Outputs[0]!);
        var function = new Function("local", "F", body);
        function.OpsetImports[""] = 13;
        function.OpsetImports["ai.onnx.ml"] = 3;
        m.Model.AddFunction(function);
        m.Output(m.Graph.AddNode("F", [m.Input("x", 2)], ["y"], domain: "local").Outputs[0]!);
        m.RunEquivalently(new RemoveUnusedOpsetImports());
        CollectionAssert.AreEqual(new[] { "" }, function.OpsetImports.All.Select(i => i.Key).ToArray());
        Assert.IsTrue(m.Model.OpsetImports.Contains("local"));
    }
}
