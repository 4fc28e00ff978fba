using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;
using ModelCompression.Tests.Runtime;

namespace ModelCompression.Tests.Statistics;

[TestClass]
public sealed class PeakOutputsTests
{
    private const int MomentSamples = 3;

    [TestMethod]
    public void OnlyTensorsWithoutElementsBelowZero_AreReduced()
    {
        using var model = Net(out var tensors);
        var plan = PlanFor(tensors, out _, out _);
        byte[] before = OnnxWriter.ToBytes(model);
        using (var peaks = PeakOutputs.Add(model, plan))
        {
            CollectionAssert.AreEquivalent(new[] { "relu", "padded", "clip", "joined" }, peaks.Of.Keys.Select(v => v.Name).ToArray());
            Assert.AreEqual(MomentSamples, peaks.WholeSamples);
        }

        CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(model), "the model is the same afterwards");
    }

    [TestMethod]
    public void TensorSomeStatisticMustSeeWhole_IsNotReduced()
    {
        using var model = Net(out var tensors);
        var plan = PlanFor(tensors, out _, out _);
        foreach (var tensor in tensors) plan.Need(tensor, HistogramStatistic.Key, () => new HistogramStatistic());
        using var peaks = PeakOutputs.Add(model, plan);
        Assert.IsEmpty(peaks.Of);
    }

    [TestMethod]
    public void Reduced_LargestElementsAreThoseOfWholeTensors()
    {
        using var model = Net(out var tensors);
        StatisticsPlan reduced = PlanFor(tensors, out var ranges, out var channels), whole = PlanFor(tensors, out var wholeRanges, out var wholeChannels);
        var samples = new Pictures(12);

        new Calibrator(samples, 300, 2).Collect(model, reduced);
        new Calibrator(samples, 300, 2).CollectInTurn(model, tensors, [whole]);

        for (int i = 0; i < tensors.Length; i++)
        {
            Assert.AreEqual(12, ranges[i].SampleCount);
            Assert.AreEqual(wholeRanges[i].Max, ranges[i].Max, tensors[i].Name);
            Assert.AreEqual(Math.Min(0, wholeRanges[i].Min), Math.Min(0, ranges[i].Min), tensors[i].Name);
            Assert.AreEqual(wholeRanges[i].ElementCount, ranges[i].ElementCount);
            CollectionAssert.AreEqual(wholeChannels[i].Max, channels[i].Max, tensors[i].Name);
            CollectionAssert.AreEqual(wholeChannels[i].Means, channels[i].Means, tensors[i].Name);
            Assert.AreEqual(wholeChannels[i].ElementCount, channels[i].ElementCount);
            Assert.IsTrue(channels[i].IsUsable);
        }
    }

    private static StatisticsPlan PlanFor(Value[] tensors, out RangeStatistic[] ranges, out ChannelStatistic[] channels)
    {
        var plan = new StatisticsPlan();
        ranges = [.. tensors.Select(t => plan.Need(t, RangeStatistic.Key, () => new RangeStatistic()))];
        channels = [.. tensors.Select(t => plan.Need(t, ChannelStatistic.Key(1, MomentSamples), () => new ChannelStatistic(1, MomentSamples)))];
        return plan;
    }

    /// <summary>Every kind of tensor that can be reduced, and beside each one that cannot.</summary>
    private static Model Net(out Value[] tensors)
    {
        var model = SmallModel.Empty();
        var x = model.Input("x", DataType.Float, 1, 3, 9, 9);
        Value Conv(string name, Value input, int channels, int seed) => model.Node("Conv", name, input, model.Weight("w" + name, Tensor.Float([8, channels, 3, 3], RandomFloats.Make(seed, 8 * channels * 9))));
        Value Padded(string name, Value input, float with) =>
            model.Node("Pad", name, input, model.Weight("p" + name, Tensor.Int64([8], 0, 0, 1, 0, 0, 0, 0, 1)), model.Weight("v" + name, Tensor.Float([], with)));
        Value Clip(string name, Value input, float min) => model.Node("Clip", name, input, model.Weight("l" + name, Tensor.Float([], min)), model.Weight("h" + name, Tensor.Float([], 6)));

        var conv = Conv("conv", x, 3, 1);
        var relu = model.Node("Relu", "relu", conv);
        var padded = Padded("padded", relu, 0);
        var ones = Padded("ones", relu, 1);
        var second = Conv("second", padded, 8, 2);
        var clip = Clip("clip", second, 0);
        var signed = Clip("signed", second, -1);
        var ofInput = model.Node("Relu", "of input", x);
        var joined = model.Node("Concat", "joined", clip, clip);
        var mixed = model.Node("Concat", "mixed", clip, signed);
        foreach (var concat in new[] { joined, mixed }) concat.Producer!.SetAttribute(NodeAttribute.Of("axis", 1L));
        foreach (var output in new[] { joined, mixed, ones, ofInput }) model.Output(output, DataType.Float, Dimension.Unknown, Dimension.Unknown, Dimension.Unknown, Dimension.Unknown);
        tensors = [conv, relu, padded, ones, second, clip, signed, ofInput, joined, mixed];
        return model;
    }

    private sealed class Pictures(int count) : SampleSource
    {
        public override SampleOrigin Origin => SampleOrigin.Calibration;

        public override int Count => count;

        public override Sample Read(int attempt, int index) => new([new NamedValue("x", new TensorValue(Tensor.Float([1, 3, 9, 9], RandomFloats.Make(50 + index, 243))))]);
    }
}
