using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization;

/// <summary>Sizes that are known before weights are encoded.</summary>
[TestClass]
public sealed class SizeTrialTests
{
    [TestMethod]
    [DataRow(9, true)]
    [DataRow(11, true)]
    [DataRow(13, false)]
    [DataRow(21, true)]
    public void File_HasTheBytesOfATrial_WhichAreMoreThanWereEstimated(int opset, bool simulates)
    {
        var network = Network(opset);
        var inputs = simulates ? new SimulatedRuns(SyntheticInputs.For(network.Model)) : null;
        long before = OnnxWriter.ByteLengthOf(network.Model);
        var tried = new List<long>();
        new QuantizeWeights(inputs: inputs, finished: copy => Tried(copy, tried)).Run(network.Model, WeightOnly.Settings, new PassLog());
        long after = Finished(network.Model);
        Assert.AreEqual(after, OnnxWriter.ToBytes(network.Model).Length);
        Assert.Contains(after, tried, string.Join(", ", tried));
        Assert.IsLessThanOrEqualTo(before / 3.5, after);
        Assert.IsGreaterThan(tried[0], after, string.Join(", ", tried));
        Assert.IsEmpty(GraphVerifier.Verify(network.Model));
    }

    [TestMethod]
    public void NothingIsTried_WhereAccuracyIsReachedOrBytesDoNotCount()
    {
        int trials = 0;
        var options = WeightOnly.Options;
        foreach (var other in new[] { options with { Preset = Preset.Smallest }, options with { QuantizationFormat = QuantizationFormat.Folded }, options with { WeightBits = 4 } })
            new QuantizeWeights(finished: Count).Run(Network(13).Model, new(other), new PassLog());
        var small = new TestModel();
        small.Output(small.Node("Conv", [small.Input("x", 1, 600, 8, 8), small.Weight("w", 600, 600, 1, 1)]));
        new QuantizeWeights(finished: Count).Run(small.Model, WeightOnly.Settings, new PassLog());
        Assert.AreEqual(0, trials);

        long Count(Model copy)
        {
            trials++;
            return OnnxWriter.ByteLengthOf(copy);
        }
    }

    [TestMethod]
    public void SmallNetwork_KeepsToTheSize_IfItTakesLessThanWasEstimated()
    {
        long estimated = SizeWith(null), tooLarge = SizeWith(Finished), fitting = SizeWith(copy => Finished(copy) - 4000);
        Assert.AreEqual(estimated, tooLarge, "what is out of reach anyway");
        Assert.IsLessThan(estimated, fitting);

        static long SizeWith(Func<Model, long>? finished)
        {
            var model = new TestModel();
            var x = model.Input("x", 1, 32, 8, 8);
            for (int i = 0; i < 24; i++) x = model.Node("Relu", [model.Node("Conv", [x, model.Constant("w", WeightOnly.HeavyTailed(model, 3, 32, 32, 1, 1)), model.Weight("b", 32)])]);
            model.Output(x);
            new QuantizeWeights(finished: finished).Run(model.Model, WeightOnly.Settings, new PassLog());
            return Finished(model.Model);
        }
    }

    private static long Tried(Model copy, List<long> tried)
    {
        long size = Finished(copy);
        tried.Add(size);
        return size;
    }

    private static long Finished(Model model)
    {
        ModelPass[] passes = [new RemoveUnusedNodes(), new JoinHalfConstants(), new RemoveDefaultAttributes()];
        foreach (var pass in passes) pass.RunForSize(model, WeightOnly.Settings);
        return OnnxWriter.ByteLengthOf(model);
    }

    /// <summary>Rectified convolutions, every third one depthwise, with heavy tails, so that more bytes always help, in small steps; one has no bias.</summary>
    private static TestModel Network(int opset)
    {
        var model = new TestModel(opset);
        var x = model.Input("x", 1, 48, 24, 24);
        for (int i = 0; i < 24; i++)
        {
            bool depthwise = i % 3 == 2;
            var weight = model.Constant("w", WeightOnly.HeavyTailed(model, 3, 48, depthwise ? 1 : 48, depthwise || i == 12 ? 3 : 1, depthwise || i == 12 ? 3 : 1));
            x = model.Node("Relu", [model.Node("Conv", [x, weight, i == 2 ? null : model.Weight("b", 48)], NodeAttribute.Of("group", depthwise ? 48L : 1))]);
        }

        model.Output(x);
        return model;
    }
}
