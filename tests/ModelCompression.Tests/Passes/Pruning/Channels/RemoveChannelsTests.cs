using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Tests.Passes.Pruning.Refitting;

namespace ModelCompression.Tests.Passes.Pruning.Channels;

/// <summary>How many channels go, which ones, and what stays with which reason.</summary>
[TestClass]
public sealed class RemoveChannelsTests
{
    private static readonly CompressionOptions Half = new() { Pruning = PruningCriterion.Magnitude, PruningPattern = new(PruningPatternKind.Channel), Sparsity = 0.5, PruningScope = PruningScope.Layer, ChannelMultiple = 1 };

    [TestMethod]
    [DataRow(0.5, 1, 12), DataRow(0.5, 8, 16), DataRow(0.3, 1, 17), DataRow(0.3, 4, 20), DataRow(0.99, 1, 1), DataRow(0.99, 8, 8), DataRow(0.1, 8, 24), DataRow(0.9, 32, 24)]
    public void Layer_KeepsTheShareRoundedUpToTheMultiple(double sparsity, int multiple, int kept)
    {
        using var model = TwoLayers(24);
        Run(model, Half with { Sparsity = sparsity, ChannelMultiple = multiple });
        Assert.AreEqual(kept, Dims(model, "first")[0]);
        Assert.AreEqual(kept, Dims(model, "second")[1]);
        Assert.AreEqual(kept, Dims(model, "bias")[0]);
    }

    [TestMethod]
    public void Magnitude_RemovesTheSmallestChannels()
    {
        using var model = TwoLayers(24);
        // Channels 3, 7, 11, … get small weights on both sides.
        Scale(model, "first", (row, _) => row % 4 == 3 ? 0.01f : 1);
        Scale(model, "second", (_, column) => column % 4 == 3 ? 0.01f : 1);
        var before = Elements(model, "first");
        Run(model, Half with { Sparsity = 0.25 });
        var expected = Enumerable.Range(0, 24).Where(r => r % 4 != 3).SelectMany(r => before.AsSpan(r * 10, 10).ToArray()).ToArray();
        CollectionAssert.AreEqual(expected, Elements(model, "first"));
    }

    [TestMethod]
    public void Global_TakesMoreFromLayersWithManyWeakChannels()
    {
        using var model = Chain(("a", 32), ("b", 32));
        Scale(model, "a", (row, _) => row < 20 ? 0.05f : 1);
        Scale(model, "b", (_, column) => column < 20 ? 0.05f : 1);
        Run(model, Half with { PruningScope = PruningScope.Global, Sparsity = 0.4 });
        long a = Dims(model, "a")[0], b = Dims(model, "b")[0];
        Assert.IsLessThan(b, a);
        Assert.AreEqual(Math.Ceiling(64 * 0.6), a + b, 1, "The share is that of all channels together.");
    }

    [TestMethod]
    public void Global_NeverEmptiesALayer()
    {
        using var model = Chain(("a", 32), ("b", 32));
        Scale(model, "a", (_, _) => 1e-20f);
        Run(model, Half with { PruningScope = PruningScope.Global, Sparsity = 0.95 });
        Assert.IsGreaterThanOrEqualTo(1, Dims(model, "a")[0]);
        Assert.IsGreaterThanOrEqualTo(1, Dims(model, "b")[0]);
    }

    [TestMethod]
    public void Rules_HoldForTheLayersTheyName()
    {
        using var model = Chain(("a", 32), ("b", 32));
        var rules = new[]
        {
            new CompressionRule(["layer b"], [], o => o with { Sparsity = 0.25 }),
            new CompressionRule(["layer a"], [], o => o with { Pruning = PruningCriterion.None }),
        };
        new RemoveChannels([new MagnitudeChannelScorer()]).Run(model, new(Half, rules), new PassLog());
        Assert.AreEqual(32, Dims(model, "a")[0]);
        Assert.AreEqual(24, Dims(model, "b")[0]);
    }

    [TestMethod]
    public void LayerThatOnlyShrinks_IsInTheReport()
    {
        using var model = Chain(("a", 32), ("b", 32));
        var log = new PassLog();
        new RemoveChannels([new MagnitudeChannelScorer()]).Run(model, new(Half, [new CompressionRule(["layer b"], [], o => o with { Pruning = PruningCriterion.None })]), log);
        var record = log.Layers.Single(l => l.Weight == "b");
        Assert.AreEqual("removed: inputs 32 -> 16", record.Action);
        Assert.AreEqual(0.5, record.Sparsity);
        Assert.AreEqual(record.OriginalBytes / 2, record.CompressedBytes);
    }

    [TestMethod]
    public void LargeConstantThatShrinks_IsInTheReport()
    {
        var net = new NetBuilder(17, 64, 10);
        var hidden = net.Op("Add", [net.Linear(net.Input, 10, 32), net.Weights("positions", 64, 32)]);
        using var model = net.Return(net.Linear(net.Relu(hidden), 32, 5));
        var record = Run(model, Half).Layers.Single(l => l.Weight == "positions");
        Assert.AreEqual(16, Dims(model, "positions")[1]);
        Assert.AreEqual("removed: axis 1 32 -> 16", record.Action);
        Assert.AreEqual(64 * 16 * 4, record.CompressedBytes);
    }

    [TestMethod]
    public void ExcludedLayer_KeepsAllChannelsThatShareIt()
    {
        using var model = ChannelNets.All["residual"]();
        string excluded = model.Graph.Nodes.First(n => n.Is("Conv")).Name;
        var log = Run(model, Half with { ExcludeNodes = [excluded] });
        Assert.AreEqual(16, Dims(model, "w")[0]);
        Assert.IsTrue(log.Edits.Any(e => !e.Applied && e.Reason.Contains("in ExcludeNodes", StringComparison.Ordinal)));
        Assert.IsTrue(log.Edits.Any(e => e.Applied), "Other layers are pruned.");
    }

    [TestMethod]
    public void OutputsAndInputs_StayWithAReason()
    {
        using var model = TwoLayers(24);
        var log = Run(model, Half);
        StringAssert.Contains(log.Layers.Single(l => l.Weight == "second").Reason, "model's output");
        Assert.AreEqual(5, Dims(model, "second")[0]);
        StringAssert.Contains(log.Layers.Single(l => l.Weight == "first").Action, "channels 24 -> 12");
        StringAssert.Contains(log.Layers.Single(l => l.Weight == "second").Action, "inputs 24 -> 12");
    }

    [TestMethod]
    public void OperatorWithoutARule_KeepsItsChannelsAndNothingElse()
    {
        var net = new NetBuilder(17, 1, 10);
        var hidden = net.Gemm(net.Input, 10, 24);
        var sorted = net.Op("CumSum", [hidden, net.Model.Graph.AddInitializer("axis", Tensor.Int64([], 0))]);
        using var model = net.Return(net.Gemm(net.Relu(net.Gemm(sorted, 24, 16)), 16, 5));
        var log = Run(model, Half);
        Assert.IsTrue(log.Layers.Any(l => l.Reason.Contains("CumSum", StringComparison.Ordinal) && l.Reason.Contains("no rule", StringComparison.Ordinal)));
        CollectionAssert.AreEqual(new long[] { 24, 10 }, Dims(model, "fc"));
    }

    [TestMethod]
    public void FusedAttention_IsRefusedByName()
    {
        var net = new NetBuilder(17, 2, 6, 32);
        net.Model.OpsetImports["com.microsoft"] = 1;
        var attention = net.Model.Graph.AddNode("Attention", [net.Input, net.Weights("qkv", 32, 96), net.Weights("qkvb", 96)], ["mixed"], [NodeAttribute.Of("num_heads", 4)], "com.microsoft", "attention");
        using var model = net.Return(net.Linear(attention.Outputs[0]!, 32, 8));
        var log = Run(model, Half);
        Assert.IsTrue(log.Layers.Any(l => l.Reason.Contains("com.microsoft.Attention attention has no rule", StringComparison.Ordinal)), string.Join('\n', log.Layers.Select(l => l.Reason)));
        Assert.AreEqual("MCB4022", log.Diagnostics.Single().Code);
    }

    [TestMethod]
    public void LayerNormalization_RunsOverTheChannelsThatStay()
    {
        using var model = Normalized();
        var log = Run(model, Half);
        Assert.IsTrue(log.Edits.Any(e => e.Applied && e.Reason.Contains("layer normalization now runs over the others", StringComparison.Ordinal)));
        Assert.AreEqual(16, Dims(model, "scale")[0]);
        Assert.IsTrue(RandomRemoval.Run(model)[0].Elements.All(float.IsFinite));
    }

    [TestMethod]
    public void EqualBiases_DoNotTieLayers()
    {
        var net = new NetBuilder(17, 1, 10);
        var zeros = net.Model.Graph.AddInitializer("zeros", Tensor.Float([24], new float[24]));
        var a = net.Relu(net.Op("Gemm", [net.Input, net.Weights("a", 10, 24), zeros]));
        var b = net.Op("Gemm", [a, net.Weights("b", 24, 24), zeros]);
        using var model = net.Return(b);
        Run(model, Half);
        CollectionAssert.AreEqual(new long[] { 10, 12 }, Dims(model, "a"));
        CollectionAssert.AreEqual(new long[] { 12, 24 }, Dims(model, "b"));
    }

    [TestMethod]
    public void Wanda_KeepsChannelsWithStrongInputs()
    {
        using var model = TwoLayers(24, relu: false);
        // Half of the channels are weak, and their readers are as much stronger less a little: magnitude of the readers alone would keep them.
        Scale(model, "first", (row, _) => row % 2 == 1 ? 0.01f : 1);
        Scale(model, "second", (_, column) => column % 2 == 1 ? 3 : 1);
        model.Graph.SetInitializer(Value(model, "bias"), Tensor.Float([24], new float[24]));
        var first = Elements(model, "first");
        new RemoveChannels([new ActivationChannelScorer(NormalInputs.Calibrator(model))]).Run(model, new(Half with { Pruning = PruningCriterion.Wanda, Compensation = Compensation.None }), new PassLog());
        CollectionAssert.AreEqual(Enumerable.Range(0, 24).Where(r => r % 2 == 0).SelectMany(r => first.AsSpan(r * 10, 10).ToArray()).ToArray(), Elements(model, "first"));
    }

    [TestMethod]
    [DataRow(0.5, false), DataRow(0.25, true)]
    public void ConvolutionsOutOfBlocks_AreTold(double sparsity, bool told)
    {
        var net = new NetBuilder(17, 1, 3, 8, 8);
        using var model = net.Return(net.Conv(net.Relu(net.Conv(net.Input, 3, 32)), 32, 4));
        var log = Run(model, Half with { Sparsity = sparsity });
        Assert.AreEqual(told, log.Diagnostics.Any(d => d.Code == "MCB4023"));
    }

    [TestMethod]
    public void Result_IsTheSameEveryTime()
    {
        byte[][] results = [.. Enumerable.Range(0, 2).Select(_ =>
        {
            using var model = ChannelNets.All["concatenation and slices"]();
            Run(model, Half with { PruningScope = PruningScope.Global });
            return OnnxWriter.ToBytes(model);
        })];
        CollectionAssert.AreEqual(results[0], results[1]);
    }

    [TestMethod]
    public void Groups_OfAttention_AreWholeHeads()
    {
        using var model = ChannelNets.All["attention"]();
        var heads = ChannelGroups.Find(model).Groups.Single(g => g.Consumers.Count() == 1 && g.UnitCount == 4);
        Assert.AreEqual(3, heads.Producers.Count(), "queries, keys and values");
        Assert.IsTrue(heads.Producers.All(p => p.PositionsPerUnit == 8));
        CollectionAssert.AreEqual(Enumerable.Range(0, 32).ToArray(), heads.Producers.First().Positions.ToArray());
    }

    private static PassLog Run(Model model, CompressionOptions options)
    {
        var log = new PassLog();
        new RemoveChannels([new MagnitudeChannelScorer()]).Run(model, new(options), log);
        return log;
    }

    private static Model TwoLayers(int hidden, bool relu = true)
    {
        var net = new NetBuilder(17, 1, 10);
        var a = net.Op("Gemm", [net.Input, net.Weights("first", hidden, 10), net.Weights("bias", hidden)], NodeAttribute.Of("transB", 1));
        return net.Return(net.Op("Gemm", [relu ? net.Relu(a) : a, net.Weights("second", 5, hidden)], NodeAttribute.Of("transB", 1)));
    }

    private static Model Chain(params (string Name, int Width)[] layers)
    {
        var net = new NetBuilder(17, 1, 10);
        var (x, width) = (net.Input, 10);
        foreach (var (name, outputs) in layers)
        {
            x = net.Relu(net.Model.Graph.AddNode("Gemm", [x, net.Weights(name, outputs, width)], [name], [NodeAttribute.Of("transB", 1)], name: $"layer {name}").Outputs[0]!);
            width = outputs;
        }

        return net.Return(net.Op("Gemm", [x, net.Weights("last", 5, width)], NodeAttribute.Of("transB", 1)));
    }

    private static Model Normalized()
    {
        var net = new NetBuilder(17, 2, 6);
        var hidden = net.Op("LayerNormalization", [net.Linear(net.Input, 6, 32), net.Weights("scale", 32), net.Weights("shift", 32)]);
        return net.Return(net.Linear(hidden, 32, 4));
    }

    private static void Scale(Model model, string name, Func<int, int, float> factor)
    {
        var value = Value(model, name);
        var (dims, elements) = (value.Initializer!.Dims.ToArray(), Elements(model, name));
        for (int i = 0; i < elements.Length; i++) elements[i] *= factor(i / (int)dims[1], i % (int)dims[1]);
        model.Graph.SetInitializer(value, Tensor.Float(dims, elements));
    }

    private static Value Value(Model model, string name) => model.Graph.Initializers.First(i => i.Name == name);

    private static long[] Dims(Model model, string name) => Value(model, name).Initializer!.Dims.ToArray();

    private static float[] Elements(Model model, string name) => Value(model, name).Initializer!.AsSpan<float>().ToArray();
}
