using ModelCompression.Onnx.Graph;
using static ModelCompression.Onnx.Tests.Graph.GraphBuilding;

namespace ModelCompression.Onnx.Tests.Graph;

[TestClass]
public class TopologicalOrderTests
{
    [TestMethod]
    public void SortedNodes_KeepTheirOrder()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        model.Graph.Op("Abs", "c", model.Graph.Op("Relu", "b", model.Graph.Op("Neg", "a", x)));
        var before = model.Graph.Nodes.ToArray();
        Assert.IsTrue(model.Graph.TrySortTopologically());
        CollectionAssert.AreEqual(before, model.Graph.Nodes.ToArray());
    }

    [TestMethod]
    public void RandomOrders_AreSortedStably()
    {
        var random = new Random(3);
        for (int trial = 0; trial < 50; trial++)
        {
            var model = NewModel();
            var made = new List<Value> { model.Graph.Input("x") };
            for (int i = 0; i < 30; i++)
            {
                // Inserted anywhere, with inputs from anywhere before: free of cycles, but out of order.
                var node = model.Graph.AddNode("Add", [made[random.Next(made.Count)], made[random.Next(made.Count)]], [$"v{i}"], index: random.Next(model.Graph.Nodes.Count + 1));
                made.Add(node.Outputs[0]!);
            }

            var before = model.Graph.Nodes.ToArray();
            Assert.IsTrue(model.Graph.TrySortTopologically());
            AssertSound(model);
            CollectionAssert.AreEquivalent(before, model.Graph.Nodes.ToArray());
        }
    }

    [TestMethod]
    public void CapturedValues_Count()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var late = model.Graph.Op("Abs", "late", x);
        var body = new OnnxGraph("b", model.Graph);
        body.AddOutput(body.Op("Neg", "n", late));
        model.Graph.AddNode("If", [x], ["i"], [NodeAttribute.Of("then_branch", body)], index: 0);
        Assert.IsTrue(model.Graph.TrySortTopologically());
        CollectionAssert.AreEqual(new[] { "Abs", "If" }, model.Graph.Nodes.Select(n => n.OpType).ToArray());
    }

    [TestMethod]
    public void Cycle_ChangesNothingAndIsFound()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var before = model.Graph.Op("Exp", "e", x);
        var a = model.Graph.Op("Add", "a", before, null);
        var b = model.Graph.Op("Abs", "b", a);
        a.Producer!.SetInput(1, b);
        model.Graph.AddNode("Neg", [b], ["behind"], index: 0);
        var order = model.Graph.Nodes.ToArray();
        Assert.IsFalse(model.Graph.TrySortTopologically());
        CollectionAssert.AreEqual(order, model.Graph.Nodes.ToArray());
        CollectionAssert.AreEquivalent(new[] { a.Producer, b.Producer }, TopologicalOrder.FindCycle(model.Graph.Nodes).ToArray());
    }

    [TestMethod]
    public void LongChainInReverse_IsSortedQuickly()
    {
        var model = NewModel();
        var value = model.Graph.Input("x");
        for (int i = 0; i < 20_000; i++) value = model.Graph.AddNode("Relu", [value], ["y"], index: 0).Outputs[0]!;
        Assert.IsTrue(model.Graph.TrySortTopologically());
        AssertSound(model);
    }
}
