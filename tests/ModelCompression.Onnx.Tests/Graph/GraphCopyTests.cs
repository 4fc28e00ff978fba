using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Tests.Graph;

[TestClass]
public sealed class GraphCopyTests
{
    [TestMethod]
    public void Value_IsCopiedWithWhatItNeedsAndNothingElse()
    {
        using var model = GraphBuilding.NewModel();
        var x = model.Graph.Input("x");
        var bias = model.Graph.AddInitializer("b", Tensor.Float([2], 1, 2));
        var sum = model.Graph.Op("Add", "sum", x, bias);
        model.Graph.Op("Neg", "other", sum);
        var captured = model.Graph.Op("Abs", "captured", x);
        var result = model.Graph.If(model.Graph.Op("Not", "condition", model.Graph.Op("IsNaN", "nan", sum)), body => body.Op("Mul", "inner", captured, sum)).Outputs[0]!;
        using var target = GraphCopy.Empty(model);
        var before = target.Graph.Op("Relu", "sum", target.Graph.Inputs[0]);

        var copy = GraphCopy.Start(model.Graph, target.Graph);
        target.Graph.AddOutput(copy[result]);
        Assert.AreSame(copy[result], copy[result]);
        Assert.AreSame(target.Graph.Inputs[0], copy[x]);
        Assert.AreSame(bias.Initializer, copy[bias].Initializer);
        Assert.AreNotEqual(before.Name, copy[sum].Name, "A name that was taken stays where it is.");
        CollectionAssert.AreEquivalent(new[] { "Relu", "Add", "Abs", "IsNaN", "Not", "If" }, target.Graph.Nodes.Select(n => n.OpType).ToArray());
        Assert.AreSame(copy[captured], copy[result].Producer!.Subgraphs.Single().Nodes.Single().Inputs[0]);
        GraphBuilding.AssertSound(target);
    }

    [TestMethod]
    public void SparseConstants_AreCopied()
    {
        using var model = GraphBuilding.NewModel();
        var sparse = model.Graph.NewValue("s");
        model.Graph.AddSparseInitializer(sparse, new SparseTensor(Tensor.Float([1], 3), Tensor.Int64([1], 1), [2]));
        var sum = model.Graph.Op("Add", "sum", model.Graph.Input("x"), sparse);
        var inBranch = model.Graph.If(model.Graph.Input("c"), body =>
        {
            var inner = body.NewValue("t");
            body.AddSparseInitializer(inner, sparse.SparseInitializer!);
            return body.Op("Mul", "product", sum, inner);
        }).Outputs[0]!;
        using var target = GraphCopy.Empty(model);
        var copy = GraphCopy.Start(model.Graph, target.Graph);
        target.Graph.AddOutput(copy[inBranch]);
        Assert.AreSame(sparse.SparseInitializer, copy[sparse].SparseInitializer);
        Assert.AreSame(sparse.SparseInitializer, copy[inBranch].Producer!.Subgraphs.Single().Initializers.Single().SparseInitializer);
        GraphBuilding.AssertSound(target);
    }

    [TestMethod]
    public void ListsOfGraphs_AreCopied()
    {
        using var model = GraphBuilding.NewModel();
        var x = model.Graph.Input("x");
        var bodies = new[] { "Abs", "Neg" }.Select(op =>
        {
            var body = new OnnxGraph(op, model.Graph);
            body.AddOutput(body.Op(op, "inner" + op, x));
            return body;
        }).ToArray();
        var y = model.Graph.AddNode("Choose", [x], ["y"], [new NodeAttribute("bodies", AttributeType.Graphs, bodies)], "custom").Outputs[0]!;
        model.Graph.AddOutput(y);
        model.OpsetImports["custom"] = 1;
        using var target = GraphCopy.Empty(model);
        var copied = GraphCopy.Start(model.Graph, target.Graph)[y];
        target.Graph.AddOutput(copied);
        var graphs = copied.Producer!.Subgraphs.ToArray();
        CollectionAssert.AreEqual(new[] { "Abs", "Neg" }, graphs.Select(g => g.Nodes.Single().OpType).ToArray());
        Assert.IsTrue(graphs.All(g => g.Nodes.Single().Inputs[0] == target.Graph.Inputs[0] && !bodies.Contains(g)));
        GraphBuilding.AssertSound(target);
    }

    [TestMethod]
    public void AddNodeOutput_FillsWhatWasOmitted()
    {
        using var model = GraphBuilding.NewModel();
        var x = model.Graph.Input("x");
        var node = model.Graph.AddNode("MaxPool", [x], ["y"]);
        var taken = model.Graph.AddNodeOutput(node, 1, "x");
        Assert.AreSame(taken, node.Output(1));
        Assert.AreSame(node, taken.Producer);
        Assert.AreNotEqual("x", taken.Name);
        Assert.ThrowsExactly<InvalidOperationException>(() => model.Graph.AddNodeOutput(node, 1, "again"));
    }
}
