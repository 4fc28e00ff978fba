using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;

namespace ModelCompression.Tests.Statistics;

[TestClass]
public sealed class ReducedOutputsTests
{
    private const int MomentSamples = 3;

    [TestMethod]
    public void TensorsInTheLayoutOfConvolutions_AreReduced()
    {
        using var model = PictureNet.Make(8, 1);
        var plan = PlanFor(model, out _, out _);
        byte[] before = OnnxWriter.ToBytes(model);
        var observed = new ObservedCopy(model);
        using (var reduced = ReducedOutputs.Add(observed, plan))
        {
            CollectionAssert.AreEquivalent(PictureNet.Reduced, reduced.Of.Keys.Select(v => v.Name).ToArray());
            CollectionAssert.IsSubsetOf(new[] { "relu", "padded", "clip", "joined", "bounded" }, reduced.Of.Where(r => r.Value.Lows is null).Select(r => r.Key.Name).ToArray(), "there is nothing below 0");
            Assert.AreSame(reduced.Of[Tensor(model, "conv")].Highs, reduced.Of[Tensor(model, "hardswish")].Highs, "the largest follows from that of the input");
            Assert.AreEqual(MomentSamples, reduced.WholeSamples);
            CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(model), "nodes are added to a copy");
            Assert.IsGreaterThan(model.Graph.Nodes.Count, observed.Graph.Nodes.Count);
        }

        Assert.AreEqual(model.Graph.Nodes.Count, observed.Graph.Nodes.Count, "the copy can be opened as it was");

        CollectionAssert.AreEqual(before, OnnxWriter.ToBytes(model), "the model is the same afterwards");
    }

    [TestMethod]
    public void TensorSomeStatisticMustSeeWhole_IsNotReduced()
    {
        using var model = PictureNet.Make(8, 1);
        var plan = PlanFor(model, out _, out _);
        foreach (var tensor in PictureNet.Tensors(model)) plan.Need(tensor, HistogramStatistic.Key, () => new HistogramStatistic());
        using var reduced = ReducedOutputs.Add(new ObservedCopy(model), plan);
        Assert.IsEmpty(reduced.Of);
    }

    [TestMethod]
    [DataRow(8, 9), DataRow(16, 9), DataRow(32, 40), DataRow(16, 160)]
    public void Reduced_ExtremesAreThoseOfWholeTensors(int channels, int size)
    {
        for (int seed = 1; seed <= 3; seed++)
        {
            using var model = PictureNet.Make(channels, seed);
            var tensors = PictureNet.Tensors(model);
            StatisticsPlan reduced = PlanFor(model, out var ranges, out var ofChannels), whole = PlanFor(model, out var wholeRanges, out var wholeChannels);
            var samples = new Pictures(8, size);

            new Calibrator(samples, 300, seed) { AlwaysReduces = true }.Collect(model, reduced);
            new Calibrator(samples, 300, 2).CollectInTurn(model, tensors, [whole]);

            for (int i = 0; i < tensors.Length; i++)
            {
                Assert.AreEqual(8, ranges[i].SampleCount);
                AssertSame(wholeRanges[i].Min, wholeRanges[i].Max, ranges[i].Min, ranges[i].Max, tensors[i].Name);
                for (int c = 0; c < wholeChannels[i].Channels; c++)
                    AssertSame(wholeChannels[i].Min[c], wholeChannels[i].Max[c], ofChannels[i].Min[c], ofChannels[i].Max[c], $"{tensors[i].Name}, channel {c}");
                CollectionAssert.AreEqual(wholeChannels[i].Means, ofChannels[i].Means, tensors[i].Name);
                Assert.AreEqual(wholeRanges[i].ElementCount, ranges[i].ElementCount);
                Assert.AreEqual(wholeChannels[i].ElementCount, ofChannels[i].ElementCount);
                Assert.IsTrue(ofChannels[i].IsUsable);
            }
        }
    }

    [TestMethod]
    public void ReducedRanges_WithBounds_AreThoseOfWholeTensorsWithinThem()
    {
        using var model = PictureNet.Make(16, 4);
        var conv = Tensor(model, "conv");
        var samples = new Pictures(12, 20);
        StatisticsPlan whole = new(), bounded = new();
        var all = whole.Need(conv, RangeStatistic.Key, () => new RangeStatistic());
        new Calibrator(samples, 300, 2).CollectInTurn(model, [conv], [whole]);
        var some = bounded.Need(conv, RangeStatistic.Key, () => new RangeStatistic(floor: -0.1));
        new Calibrator(samples, 300, 2) { AlwaysReduces = true }.Collect(model, bounded);

        Assert.AreEqual(all.Max, some.Max);
        Assert.IsTrue(all.Min < some.Min && some.Min <= -0.1, $"{some.Min} of the first sample tells enough, of all {all.Min}");
        Assert.AreEqual(Extremes.High, some.Open);
    }

    [TestMethod]
    public void SettledTensors_AreNotComputedAgain()
    {
        using var model = PictureNet.Make(8, 1);
        var plan = new StatisticsPlan();
        var conv = Tensor(model, "conv");
        var range = plan.Need(conv, RangeStatistic.Key, () => new RangeStatistic(floor: -0.1, ceiling: 0.1));
        range.Add(range.Measure(new([-1, 1], [2], 0)));
        using var reduced = ReducedOutputs.Add(new ObservedCopy(model), plan);
        Assert.Contains(conv, reduced.Settled);
        Assert.IsEmpty(new WantedTensors(model, plan, reduced).Computed);
    }

    /// <summary>Opening another session and calling more operators takes longer than looking at small tensors.</summary>
    [TestMethod]
    [DataRow(9, 30, false), DataRow(160, 30, true), DataRow(160, 0, false)]
    public void Reducing_IsWorthItForManyElements(int size, int samplesLeft, bool isWorthIt)
    {
        using var model = PictureNet.Make(16, 1);
        var plan = PlanFor(model, out _, out _);
        new Calibrator(new Pictures(MomentSamples, size), 300, 2).Collect(model, plan);
        using var reduced = ReducedOutputs.Add(new ObservedCopy(model), plan, samplesLeft);
        Assert.AreEqual(isWorthIt, reduced.Gain > 0, $"{reduced.Gain} ns");
    }

    [TestMethod]
    public void SampleWithNaNBehindThoseSeenWhole_IsRefused()
    {
        using var model = PictureNet.Make(16, 1);
        var error = Assert.ThrowsExactly<DiagnosticException>(() => new Calibrator(new Pictures(10, 9, damaged: 7), 300, 2) { AlwaysReduces = true }.Collect(model, PlanFor(model, out _, out _)));
        Assert.AreEqual("MCB3022", error.Diagnostic.Code);
        Assert.Contains("sample 7", error.Diagnostic.Message);
    }

    [TestMethod]
    public void Mirror_LeavesAllBitsInPlace()
    {
        var reduced = new ReducedTensor(null, null);
        float[] below = [-1.1754944e-38f / ReducedTensor.Mirror * ReducedTensor.Mirror, -3.1415927f, -1e-18f, -1.8e19f, -0.37500003f];
        float[] found = new float[below.Length];
        reduced.Fill([], [.. below.Skip(1).Select(x => x * ReducedTensor.Mirror), 1f], new float[below.Length], found);
        CollectionAssert.AreEqual(new[] { -3.1415927f, -1e-18f, -1.8e19f, -0.37500003f, float.NegativeInfinity }, found);
    }

    /// <summary>Every range of codes includes 0, so that it may be given for an end that does not reach it.</summary>
    private static void AssertSame(float min, float max, float foundMin, float foundMax, string name)
    {
        Assert.AreEqual(Math.Min(0, min), Math.Min(0, foundMin), name);
        Assert.AreEqual(Math.Max(0, max), Math.Max(0, foundMax), name);
    }

    private static Value Tensor(Model model, string name) => PictureNet.Tensors(model).Single(t => t.Name == name);

    private static StatisticsPlan PlanFor(Model model, out RangeStatistic[] ranges, out ChannelStatistic[] channels)
    {
        var plan = new StatisticsPlan();
        var tensors = PictureNet.Tensors(model);
        ranges = [.. tensors.Select(t => plan.Need(t, RangeStatistic.Key, () => new RangeStatistic()))];
        channels = [.. tensors.Select(t => plan.Need(t, ChannelStatistic.Key(1, MomentSamples), () => new ChannelStatistic(1, MomentSamples)))];
        return plan;
    }

    private sealed class Pictures(int count, int size, int damaged = -1) : SampleSource
    {
        public override SampleOrigin Origin => SampleOrigin.Calibration;

        public override int Count => count;

        public override Sample Read(int attempt, int index)
        {
            float[] elements = RandomFloats.Make(50 + index, 3 * size * size, 3);
            if (index == damaged) elements[0] = float.NaN;
            return new([new NamedValue("x", new TensorValue(Onnx.Tensors.Tensor.Float([1, 3, size, size], elements)))]) { NotFiniteInput = index == damaged ? "x" : null };
        }
    }
}
