using System.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using static ModelCompression.Onnx.Tests.Graph.GraphBuilding;

namespace ModelCompression.Onnx.Tests.Graph;

[TestClass]
public class ValueTests
{
    [TestMethod]
    public void ReplaceAllUsesWith_MovesCapturedUsesAndOutputs()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var a = model.Graph.Op("Abs", "a", x);
        var b = model.Graph.Op("Neg", "b", x);
        model.Graph.If(x, body => body.Op("Add", "s", a, a));
        model.Graph.AddOutput(a);
        model.Graph.AddOutput(a);

        a.ReplaceAllUsesWith(b);

        Assert.IsTrue(a.IsUnused);
        Assert.HasCount(2, b.Uses);
        Assert.AreEqual("a", b.Name);
        CollectionAssert.AreEqual(new[] { b, b }, model.Graph.Outputs.ToArray());
        AssertSound(model);
    }

    [TestMethod]
    public void ReplaceAllUsesWith_WhenItCannotBeReturned_ChangesNothing()
    {
        var model = NewModel();
        var x = model.Graph.Input("x");
        var a = model.Graph.Op("Abs", "a", x);
        model.Graph.Op("Neg", "b", a);
        model.Graph.AddOutput(a);

        Assert.ThrowsExactly<InvalidOperationException>(() => a.ReplaceAllUsesWith(x));

        Assert.HasCount(1, a.Uses);
        Assert.AreEqual("a", model.Graph.Outputs[0].Name);
        AssertSound(model);
    }

    [TestMethod]
    public void ReplaceAllUsesWith_Itself_ChangesNothing()
    {
        var graph = new OnnxGraph();
        var a = graph.Op("Abs", "a", graph.Input("x"));
        graph.Op("Neg", "b", a);
        a.ReplaceAllUsesWith(a);
        Assert.HasCount(1, a.Uses);
    }

    [TestMethod]
    public void UseLists_StayRightUnderRandomEdits()
    {
        var model = NewModel();
        var random = new Random(7);
        var values = Enumerable.Range(0, 5).Select(i => model.Graph.Input($"x{i}")).ToArray();
        var nodes = Enumerable.Range(0, 40).Select(i => model.Graph.AddNode("Sum", [], [$"y{i}"])).ToArray();
        for (int edit = 0; edit < 5000; edit++)
        {
            var node = nodes[random.Next(nodes.Length)];
            if (random.Next(10) == 0) node.TrimInputs(random.Next(node.Inputs.Count + 1));
            else if (random.Next(50) == 0) values[random.Next(5)].ReplaceAllUsesWith(values[random.Next(5)]);
            else node.SetInput(random.Next(6), random.Next(5) == 0 ? null : values[random.Next(5)]);
            if (edit % 250 == 0) AssertSound(model);
        }

        AssertSound(model);
        int uses = nodes.Sum(n => n.Inputs.Count(i => i is not null));
        Assert.AreEqual(uses, values.Sum(v => v.Uses.Count));
        Assert.AreEqual(uses, values.SelectMany(v => v.Uses).Distinct().Count());
    }

    [TestMethod]
    public void WidelySharedValue_IsReplacedAndVerifiedInLinearTime()
    {
        const int Users = 100_000;
        var model = NewModel();
        var x = model.Graph.Input("x");
        var other = model.Graph.Input("other");
        for (int i = 0; i < Users; i++) model.Graph.Op("Relu", "y", x);
        var watch = Stopwatch.StartNew();
        x.ReplaceAllUsesWith(other);
        AssertSound(model);
        // Quadratic work on so many uses would take many minutes.
        Assert.IsLessThan(TimeSpan.FromSeconds(60), watch.Elapsed);
        Assert.HasCount(Users, other.Uses);
    }

    [TestMethod]
    public void TryGetConstant_KnowsEveryFormOfConstant()
    {
        var graph = new OnnxGraph();
        Assert.AreEqual(1f, Constant(graph, NodeAttribute.Of("value", Tensor.Float([], 1)))!.AsSpan<float>()[0]);
        Assert.AreEqual(2f, Constant(graph, NodeAttribute.Of("value_float", 2f))!.AsSpan<float>()[0]);
        Assert.AreEqual(3L, Constant(graph, NodeAttribute.Of("value_int", 3L))!.AsSpan<long>()[0]);
        CollectionAssert.AreEqual(new[] { 4f, 5f }, Constant(graph, NodeAttribute.Of("value_floats", 4f, 5f))!.AsSpan<float>().ToArray());
        CollectionAssert.AreEqual(new[] { 6L, 7L }, Constant(graph, NodeAttribute.Of("value_ints", 6L, 7L))!.AsSpan<long>().ToArray());
        Assert.AreEqual(0, Constant(graph, NodeAttribute.Of("value_float", 2f))!.Rank);
        Assert.AreEqual(1, Constant(graph, NodeAttribute.Of("value_ints", 6L, 7L))!.Rank);
    }

    [TestMethod]
    public void TryGetConstant_OfOtherValues_IsFalse()
    {
        var graph = new OnnxGraph();
        var x = graph.Input("x");
        Assert.IsFalse(x.TryGetConstant(out _));
        Assert.IsFalse(graph.Op("Relu", "y", x).TryGetConstant(out _));
        Assert.IsNull(Constant(graph, NodeAttribute.Of("value_string", "s")));
        Assert.IsNull(Constant(graph, new NodeAttribute("value", AttributeType.Tensor, null) { ReferencedName = "of_the_function" }));
        Assert.IsFalse(graph.AddNode("Constant", [], ["c"], [NodeAttribute.Of("value_int", 1L)], domain: "custom").Outputs[0]!.TryGetConstant(out _));
        graph.SetInitializer(x, Tensor.Float([1], 1));
        Assert.IsTrue(x.TryGetConstant(out _));
    }

    private static Tensor? Constant(OnnxGraph graph, NodeAttribute attribute) =>
        graph.AddNode("Constant", [], ["c"], [attribute]).Outputs[0]!.TryGetConstant(out var tensor) ? tensor : null;
}
