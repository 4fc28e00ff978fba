using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Training;
using ModelCompression.Tests.Passes.Pruning;

namespace ModelCompression.Tests.Gradients;

[TestClass]
public sealed class ChannelRowsTests
{
    /// <summary>Constant weights let channels stay side by side; weights that change do not, and take the general way.</summary>
    [TestMethod]
    [DataRow(1, 3, 1, true)]
    [DataRow(2, 3, 1, true)]
    [DataRow(2, 2, 0, true)]
    [DataRow(3, 5, 1, true)]
    // Every other element is in no window.
    [DataRow(2, 1, 0, true)]
    // The last elements are in no window, which plain convolutions do not leave out.
    [DataRow(3, 2, 0, true)]
    [DataRow(3, 4, 0, false)]
    [DataRow(1, 3, 1, true, true)]
    [DataRow(2, 3, 1, true, true)]
    [DataRow(3, 5, 1, true, true)]
    // As at the begin of a stage of a residual network.
    [DataRow(2, 3, 1, true, false, true)]
    [DataRow(3, 3, 0, true, false, true)]
    public void Gradients_AreThoseOfPlanes(int stride, int kernel, int pad, bool isPlain, bool isDepthwise = false, bool hasSkip = false)
    {
        using var model = Net(stride, kernel, pad, isDepthwise, hasSkip);
        using var pictures = new SmallPictures(model);
        var weights = model.Graph.Initializers.Where(i => i.Initializer!.Rank > 0).ToArray();
        float[][] current = [.. weights.Select(w => w.Initializer!.AsSpan<float>().ToArray())], expected = Zeros(), actual = Zeros();
        using (var session = pictures.Runner.Open(model, weights, TrainingLoss.Labels, current)) session.Run(pictures.Feeds, expected);
        using (var session = pictures.Runner.Open(model, weights, TrainingLoss.Labels)) session.Run(pictures.Feeds, actual);
        SmallPictures.AssertSame(weights, expected, actual);
        AssertGates(pictures.Runner, model, weights, current, actual, pictures.Feeds);
        using var graph = SmallPictures.GraphOf(model, weights);
        Assert.AreEqual(isPlain, !graph.Model.Graph.Nodes.Any(n => n.Is("ConvTranspose")));
        Assert.IsTrue(graph.Model.Graph.Nodes.All(n => n.Outputs.Any(o => o is not null && (o.Uses.Count > 0 || o.IsGraphOutput))), "No node may compute what nobody takes.");

        float[][] Zeros() => [.. current.Select(c => new float[c.Length])];
    }

    /// <summary>Gradients of factors on what a layer reads are Σ w·∂w over the weights that read it.</summary>
    private static void AssertGates(GradientRunner runner, Model model, Value[] weights, float[][] current, float[][] gradients, int[] feeds)
    {
        int?[] axes = [.. weights.Select(w => w.Initializer!.Dims.ToArray() switch { [_, > 1, _, _] => 1, [_, _] => 0, _ => (int?)null })];
        int[] gated = [.. Enumerable.Range(0, weights.Length).Where(i => axes[i] is not null)];
        float[][] gates = [.. gated.Select(i => new float[weights[i].Initializer!.Dims[axes[i]!.Value]])];
        using var session = runner.Open(model, [.. gated.Select(i => weights[i])], TrainingLoss.Labels, gateAxes: [.. gated.Select(i => axes[i])]);
        session.Run(feeds, gates);
        for (int g = 0; g < gated.Length; g++)
        {
            int i = gated[g];
            long[] dims = weights[i].Initializer!.Dims.ToArray();
            long inner = dims[(axes[i]!.Value + 1)..].Aggregate(1L, (a, d) => a * d);
            var sums = new double[gates[g].Length];
            for (int k = 0; k < current[i].Length; k++) sums[k / inner % sums.Length] += (double)current[i][k] * gradients[i][k];
            Assert.IsGreaterThan(0, sums.Max(Math.Abs));
            Assert.IsLessThan(1e-5 * sums.Max(Math.Abs), sums.Zip(gates[g], (e, a) => Math.Abs(e - a)).Max(), weights[i].Name);
        }
    }

    private static Model Net(int stride, int kernel, int pad, bool isDepthwise, bool hasSkip)
    {
        var model = new Model(new OnnxGraph("net")) { IrVersion = 8 };
        model.OpsetImports[""] = 13;
        var (graph, random) = (model.Graph, new Random(9));
        var rows = Dimension.OfSymbol("N");
        Value Node(string type, string name, Value input, Tensor? weight, params NodeAttribute[] attributes) =>
            graph.AddNode(type, weight is null ? [input] : [input, graph.AddInitializer(name + ".w", weight)], [name], attributes).Outputs[0]!;
        NodeAttribute Ints(string name, int value, int count) => NodeAttribute.Of(name, [.. Enumerable.Repeat((long)value, count)]);
        Value x = graph.AddInput("x", new TensorType(DataType.Float, new Shape(rows, Dimension.Of(3), Dimension.Of(12), Dimension.Of(12))));
        var first = Node("Relu", "r1", Node("Conv", "c1", x, SmallNet.Weights(random, 0.3, 16, 3, 3, 3), Ints("pads", 1, 4)), null);
        var strided = isDepthwise
            ? Node("Conv", "c3", Clipped(Node("Conv", "c2", first, SmallNet.Weights(random, 0.3, 16, 1, kernel, kernel), Ints("strides", stride, 2), Ints("pads", pad, 4), NodeAttribute.Of("group", 16L))), SmallNet.Weights(random, 0.2, 32, 16, 1, 1))
            : Node("Conv", "c2", first, SmallNet.Weights(random, 0.1, 32, 16, kernel, kernel), Ints("strides", stride, 2), Ints("pads", pad, 4));
        if (hasSkip) strided = graph.AddNode("Add", [strided, Node("Conv", "skip", first, SmallNet.Weights(random, 0.2, 32, 16, 1, 1), Ints("strides", stride, 2))], ["sum"]).Outputs[0]!;
        var pooled = Node("AveragePool", "p", Node("Relu", "r2", strided, null), null, Ints("kernel_shape", 2, 2), Ints("strides", 2, 2));
        int size = (((12 + (2 * pad) - kernel) / stride) + 1) / 2;
        var y = Node("Gemm", "y", Node("Flatten", "f", pooled, null), SmallNet.Weights(random, 0.1, 32 * size * size, 4));
        y.Type = new TensorType(DataType.Float, new Shape(rows, Dimension.Of(4)));
        graph.AddOutput(y);
        return model;

        Value Clipped(Value value) => graph.AddNode("Clip", [value, graph.AddInitializer("low", Tensor.Float([], 0)), graph.AddInitializer("high", Tensor.Float([], 0.25f))], ["clipped"]).Outputs[0]!;
    }
}
