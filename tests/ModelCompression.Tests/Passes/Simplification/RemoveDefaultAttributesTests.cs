using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Simplification;

[TestClass]
public sealed class RemoveDefaultAttributesTests
{
    [TestMethod]
    public void Defaults_Go_AndTheKernelShapeStays()
    {
        var m = new TestModel();
        var conv = m.Node("Conv", [m.Input("x", 1, 3, 8, 8), m.Weight("w", 4, 3, 3, 3)],
            NodeAttribute.Of("kernel_shape", [3L, 3L]), NodeAttribute.Of("strides", [1L, 1L]), NodeAttribute.Of("dilations", [1L, 1L]), NodeAttribute.Of("pads", [0L, 0L, 0L, 0L]), NodeAttribute.Of("group", 1L), NodeAttribute.Of("auto_pad", "NOTSET"));
        var pool = m.Node("AveragePool", [conv], NodeAttribute.Of("kernel_shape", [2L, 2L]), NodeAttribute.Of("ceil_mode", 0L), NodeAttribute.Of("count_include_pad", 0L));
        m.Output(m.Node("Gemm", [m.Node("Flatten", [pool], NodeAttribute.Of("axis", 1L)), m.Weight("fc", 100, 2)], NodeAttribute.Of("alpha", 1f), NodeAttribute.Of("beta", 1f), NodeAttribute.Of("transB", 0L)));
        m.RunEquivalently(new RemoveDefaultAttributes());
        CollectionAssert.AreEqual(new[] { "kernel_shape", "kernel_shape" }, m.Graph.AllNodes().SelectMany(n => n.Attributes).Select(a => a.Name).ToArray());
    }

    [TestMethod]
    public void OtherValues_Stay()
    {
        var m = new TestModel();
        var conv = m.Node("Conv", [m.Input("x", 1, 4, 9, 9), m.Weight("w", 4, 2, 3, 3)],
            NodeAttribute.Of("strides", [1L, 2L]), NodeAttribute.Of("dilations", [2L, 1L]), NodeAttribute.Of("pads", [0L, 0L, 0L, 1L]), NodeAttribute.Of("group", 2L));
        m.Output(m.Node("LeakyRelu", [conv], NodeAttribute.Of("alpha", 0.02f)));
        var log = m.RunEquivalently(new RemoveDefaultAttributes());
        Assert.IsEmpty(log.Edits);
        Assert.HasCount(5, m.Graph.AllNodes().SelectMany(n => n.Attributes).ToArray());
    }

    [TestMethod]
    public void OlderOpset_AndOtherDomains_AreLeftAlone()
    {
        var old = new TestModel(opset: 10);
        old.Output(old.Node("Conv", [old.Input("x", 1, 3, 8, 8), old.Weight("w", 4, 3, 3, 3)], NodeAttribute.Of("strides", [1L, 1L])));
        Assert.IsEmpty(old.Run(new RemoveDefaultAttributes()).Edits);

        var other = new TestModel();
        other.Model.OpsetImports["example"] = 1;
        other.Graph.AddNode("Conv", [other.Input("x", 1, 3, 8, 8)], ["y"], [NodeAttribute.Of("strides", [1L, 1L])], domain: "example");
        Assert.IsEmpty(other.Run(new RemoveDefaultAttributes()).Edits);
    }

    [TestMethod]
    public void Subgraphs_AreTreatedToo()
    {
        var m = new TestModel();
        var x = m.Input("x", 1, 3, 8, 8);
        var then = m.Subgraph("then");
        then.Output(then.Node("MaxPool", [x], NodeAttribute.Of("kernel_shape", [2L, 2L]), NodeAttribute.Of("strides", [1L, 1L])));
        var otherwise = m.Subgraph("else");
        otherwise.Output(otherwise.Node("MaxPool", [x], NodeAttribute.Of("kernel_shape", [2L, 2L]), NodeAttribute.Of("strides", [2L, 2L])));
        m.Output(m.Node("If", [m.Input("c", DataType.Bool)], NodeAttribute.Of("then_branch", then.Graph), NodeAttribute.Of("else_branch", otherwise.Graph)));
        m.RunEquivalently(new RemoveDefaultAttributes());
        Assert.HasCount(1, then.Graph.Nodes[0].Attributes);
        Assert.HasCount(2, otherwise.Graph.Nodes[0].Attributes);
    }
}
