using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Tests.Passes.Pruning;

namespace ModelCompression.Tests.Gradients;

/// <summary>Separable convolutions, whose backward pass is not made of operators.</summary>
[TestClass]
public sealed class ConvolutionChainTests
{
    /// <summary>Where weights change, gradients are computed by operators: the same but for rounding.</summary>
    [TestMethod]
    [DataRow("GlobalAveragePool", "", 5, PixelForm.Repeated)]
    [DataRow("GlobalMaxPool", "", 5, PixelForm.Planes)]
    [DataRow("Conv", "", 5, PixelForm.Rows)]
    // The gradient of the first weight is not asked for, or that of its bias is.
    [DataRow("GlobalAveragePool", "c1.w", 4, PixelForm.Repeated)]
    [DataRow("GlobalAveragePool", "c1.w c2.w c3.w c4.w", 0, PixelForm.Planes)]
    [DataRow("GlobalAveragePool", "+c1.b", 0, PixelForm.Planes)]
    public void Gradients_AreThoseOfOperators(string end, string change, int links, PixelForm form)
    {
        using var model = Net(end);
        using var pictures = new SmallPictures(model);
        var weights = model.Graph.Initializers.Where(i => (i.Name.EndsWith(".w", StringComparison.Ordinal) && !change.Split(' ').Contains(i.Name)) || change == "+" + i.Name).ToArray();
        float[][] current = [.. weights.Select(w => w.Initializer!.AsSpan<float>().ToArray())], expected = Zeros();
        using (var session = pictures.Runner.Open(model, weights, TrainingLoss.Labels, current)) session.Run(pictures.Feeds, expected);
        using (var session = pictures.Runner.Open(model, weights, TrainingLoss.Labels, splitsMatrices: true))
        {
            Assert.IsTrue(session.Reached.All(r => r));
            // Twice: the second one must not see anything of the first.
            for (int turn = 0; turn < 2; turn++)
            {
                var actual = Zeros();
                session.Run(pictures.Feeds, actual);
                SmallPictures.AssertSame(weights, expected, actual);
            }
        }

        using var graph = SmallPictures.GraphOf(model, weights);
        Assert.AreEqual(links, graph.Chain?.Links.Count ?? 0);
        Assert.AreEqual(form, graph.Chain?.GradientForm ?? form);

        float[][] Zeros() => [.. current.Select(c => new float[c.Length])];
    }

    private static Model Net(string end)
    {
        var model = new Model(new OnnxGraph("net")) { IrVersion = 8 };
        model.OpsetImports[""] = 13;
        var (graph, random) = (model.Graph, new Random(9));
        var rows = Dimension.OfSymbol("N");
        Value Node(string type, string name, Value input, Tensor? weight, params NodeAttribute[] attributes) =>
            graph.AddNode(type, weight is null ? [input] : [input, graph.AddInitializer(name + ".w", weight)], [name], attributes).Outputs[0]!;
        Value Depthwise(string name, Value input, int channels, int stride) => Node(
            "Conv", name, input, SmallNet.Weights(random, 0.5, channels, 1, 3, 3), NodeAttribute.Of("group", (long)channels), NodeAttribute.Of("strides", [(long)stride, stride]), NodeAttribute.Of("pads", [1L, 1, 1, 1]));
        Value x = graph.AddInput("x", new TensorType(DataType.Float, new Shape(rows, Dimension.Of(3), Dimension.Of(12), Dimension.Of(12))));
        var first = graph.AddNode("Conv", [x, graph.AddInitializer("c1.w", SmallNet.Weights(random, 0.3, 16, 3, 3, 3)), graph.AddInitializer("c1.b", SmallNet.Weights(random, 0.1, 16))], ["c1"], [NodeAttribute.Of("pads", [1L, 1, 1, 1])]).Outputs[0]!;
        var second = Depthwise("c2", Node("Relu", "r1", first, null), 16, 2);
        var clipped = graph.AddNode("Clip", [second, graph.AddInitializer("low", Tensor.Float([], 0)), graph.AddInitializer("high", Tensor.Float([], 0.25f))], ["r2"]).Outputs[0]!;
        var fourth = Depthwise("c4", Node("Relu", "r3", Node("Conv", "c3", clipped, SmallNet.Weights(random, 0.3, 32, 16, 1, 1)), null), 32, 1);
        var last = Node("Relu", "r5", Node("Conv", "c5", fourth, SmallNet.Weights(random, 0.3, 16, 32, 1, 1)), null);
        var pooled = end == "Conv" ? Node("GlobalAveragePool", "p", Node("Conv", "c6", last, SmallNet.Weights(random, 0.3, 16, 16, 3, 3)), null) : Node(end, "p", last, null);
        var y = Node("Gemm", "y", Node("Flatten", "f", pooled, null), SmallNet.Weights(random, 0.3, 16, 4));
        y.Type = new TensorType(DataType.Float, new Shape(rows, Dimension.Of(4)));
        graph.AddOutput(y);
        return model;
    }
}
