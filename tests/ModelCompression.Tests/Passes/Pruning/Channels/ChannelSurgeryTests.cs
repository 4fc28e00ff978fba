using Microsoft.ML.OnnxRuntime;
using ModelCompression.Analysis;
using ModelCompression.Analysis.Channels;
using ModelCompression.Analysis.Costs;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Pruning.Channels;

/// <summary>
/// The exactness of surgery: with the weights that read some channels set to zero, nothing depends on these channels any more, so removing them must not change the outputs.
/// </summary>
[TestClass]
public sealed class ChannelSurgeryTests
{
    public static IEnumerable<object[]> Nets => ChannelNets.All.Keys.SelectMany(name => new[] { 1, 2, 3 }.Select(seed => new object[] { name, seed }));

    [TestMethod]
    [DynamicData(nameof(Nets))]
    public void RemovedChannels_LeaveTheOutputsOfTheModelThatIgnoresThem(string net, int seed)
    {
        using var ignoring = ChannelNets.All[net]();
        using var cut = ChannelNets.All[net]();
        SharedVectors.Separate(ignoring);
        SharedVectors.Separate(cut);
        int removed = RandomRemoval.Ignore(ignoring, seed);
        RandomRemoval.Cut(cut, seed);

        Assert.IsGreaterThan(0, removed, "The net has channels to remove.");
        Assert.IsEmpty(GraphVerifier.Verify(cut));
        Assert.IsLessThan(ParameterCounter.Count(ignoring).Parameters, ParameterCounter.Count(cut).Parameters);
        Assert.IsLessThan(RandomRemoval.Macs(ignoring), RandomRemoval.Macs(cut));
        var expected = RandomRemoval.Run(ignoring);
        var actual = RandomRemoval.Run(cut);
        Assert.AreEqual(expected.Count, actual.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            CollectionAssert.AreEqual(expected[i].Dims, actual[i].Dims, "The interface keeps its shapes.");
            double scale = expected[i].Elements.Max(e => Math.Abs((double)e));
            Assert.IsGreaterThan(1e-6, scale, "The net computes something.");
            // The same products are summed, in another order and with some zeros left out: a few dozen roundings of binary32.
            for (int e = 0; e < expected[i].Elements.Length; e++) Assert.AreEqual(expected[i].Elements[e], actual[i].Elements[e], 1e-5 * scale, net);
        }
    }

    [TestMethod]
    public void GroupsWithoutOutputChannels_HaveNoneToRemove()
    {
        var model = new TestModel();
        var empty = model.Constant("empty", Tensor.Float([0, 1, 3, 3]));
        model.Output(model.Node("Conv", [model.Input("x", 1, 16, 8, 8), empty], NodeAttribute.Of("group", 16L)));

        Assert.IsEmpty(ChannelGroups.Find(model.Model).Groups);
    }

    [TestMethod]
    public void Surgery_StatesTheShapesThatInferenceFinds()
    {
        foreach (var (name, make) in ChannelNets.All)
        {
            using var model = make();
            SharedVectors.Separate(model);
            RandomRemoval.Cut(model, 5);
            Assert.IsEmpty(ShapeInference.Run(model).Contradictions, name);
        }
    }
}

/// <summary>Removes, or ignores, the same random channels of two copies of a net.</summary>
internal static class RandomRemoval
{
    /// <summary>Sets to zero what reads the chosen channels; returns how many were chosen.</summary>
    public static int Ignore(Model model, int seed)
    {
        int count = 0;
        foreach (var (group, removed) in Choose(ChannelGroups.Find(model), seed))
        {
            count += removed.Count(r => r);
            foreach (var slot in group.Consumers) Zero(slot, removed);
        }

        return count;
    }

    public static void Cut(Model model, int seed)
    {
        var groups = ChannelGroups.Find(model);
        new ChannelSurgery(model, new ChannelRemoval(groups.Shapes, Choose(groups, seed))).Run();
    }

    public static long Macs(Model model) => CostModel.Measure(model, Inputs(model).ToDictionary(i => i.Name, i => Shape.Of(i.Dims))).Macs;

    public static IReadOnlyList<(long[] Dims, float[] Elements)> Run(Model model, int seed = 7)
    {
        using var options = new SessionOptions { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR, IntraOpNumThreads = 1 };
        using var session = new InferenceSession(OnnxWriter.ToBytes(model), options);
        var feeds = Inputs(model).ToDictionary(i => i.Name, i => OrtValue.CreateTensorValueFromMemory(SmallNet.Weights(new Random(seed), 1, i.Dims).AsSpan<float>().ToArray(), i.Dims));
        using var run = new RunOptions();
        using var outputs = session.Run(run, feeds, session.OutputNames);
        foreach (var feed in feeds.Values) feed.Dispose();
        return [.. outputs.Select(o => (o.GetTensorTypeAndShape().Shape, o.GetTensorDataAsSpan<float>().ToArray()))];
    }

    private static IEnumerable<(string Name, long[] Dims)> Inputs(Model model) =>
        model.Graph.Inputs.Select(i => (i.Name, i.TensorType!.Shape!.Dimensions.Select(d => d.Size ?? 3).ToArray()));

    /// <summary>A random half of the units of every group whose removal is exact; at least one unit stays.</summary>
    private static List<(ChannelGroup Group, bool[] Removed)> Choose(ChannelGroups groups, int seed)
    {
        var random = new Random(seed);
        var chosen = new List<(ChannelGroup, bool[])>();
        foreach (var group in groups.Groups)
        {
            var removed = Enumerable.Range(0, group.UnitCount).Select(_ => random.Next(2) == 0).ToArray();
            removed[random.Next(removed.Length)] = false;
            if (!group.ChangesStatistics) chosen.Add((group, removed));
        }

        return chosen;
    }

    private static void Zero(ChannelSlot slot, bool[] removed)
    {
        slot.Value.TryGetConstant(out var tensor);
        var elements = tensor!.AsSpan<float>().ToArray();
        long inner = Tensor.CountElements(tensor.Dims[(slot.Axis + 1)..]);
        var positions = slot.Positions.Where((_, i) => removed[i / slot.PositionsPerUnit]).ToHashSet();
        for (int i = 0; i < elements.Length; i++)
            if (positions.Contains((int)(i / inner % tensor.Dims[slot.Axis]))) elements[i] = 0;
        slot.Value.Graph.SetInitializer(slot.Value, Tensor.Float(tensor.Dims, elements));
    }
}
