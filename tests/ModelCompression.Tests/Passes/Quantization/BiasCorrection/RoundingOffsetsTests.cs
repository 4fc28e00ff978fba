using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.BiasCorrection;

/// <summary>Filters that are rounded for the mean of what they meet, learnt from made-up inputs.</summary>
[TestClass]
public sealed class RoundingOffsetsTests
{
    private static readonly CompressionOptions Options = new() { Quantization = QuantizationMode.WeightOnly };

    [TestMethod]
    [DataRow(1)]
    [DataRow(8)]
    public void MeansOfOutputs_AreKept_AndOutputsComeCloser(int group)
    {
        var (plain, kept) = (WeightRounding.Quantize(Network(group), Options, null), WeightRounding.Quantize(Network(group), Options, MadeUp(group)));
        var (plainShift, plainNoise) = Distance(group, plain);
        var (keptShift, keptNoise) = Distance(group, kept);
        Assert.IsGreaterThan(1e-5, plainShift, "Rounding shifts nothing here: the test shows nothing.");
        // Other pictures have slightly other means; Σ m·(w − ŵ) itself is left to a bias in binary16.
        Assert.IsLessThan(0.3 * plainShift, keptShift);
        Assert.IsLessThan(plainNoise, keptNoise);
        CollectionAssert.AreEqual(kept, WeightRounding.Quantize(Network(group), Options, MadeUp(group)), "the same again");
    }

    [TestMethod]
    public void LayersOfOneChannel_HaveBiasesForWhatCodesCannotBalance()
    {
        byte[] bytes = WeightRounding.Quantize(Network(8), Options, MadeUp(8));
        using var model = OnnxReader.Read(bytes);
        Assert.IsTrue(model.Graph.Nodes.Where(n => n.OpType == "Conv").All(n => n.Input(2) is not null), "the last one had none");
    }

    [TestMethod]
    public void Smallest_RoundsForMeans_ButGivesNoLayerABias()
    {
        var smallest = Options with { Preset = Preset.Smallest };
        byte[] bytes = WeightRounding.Quantize(Network(8), smallest, MadeUp(8));
        CollectionAssert.AreNotEqual(WeightRounding.Quantize(Network(8), smallest, null), bytes, "layers with biases");
        using var model = OnnxReader.Read(bytes);
        Assert.AreEqual(2, model.Graph.Nodes.Count(n => n.OpType == "Conv" && n.Input(2) is not null), "the last one has none");
    }

    [TestMethod]
    public void NothingChanges_WhereNobodyAsksOrNothingRuns()
    {
        byte[] plain = WeightRounding.Quantize(Network(1), Options, null);
        CollectionAssert.AreEqual(plain, WeightRounding.Quantize(Network(1), Options with { BiasCorrection = false }, MadeUp(1)), "BiasCorrection=false");
        CollectionAssert.AreEqual(plain, WeightRounding.Quantize(Network(1), Options, new SimulatedRuns(SyntheticInputs.For(WeightRounding.Misfit()))), "inputs do not fit");
        byte[] folded = WeightRounding.Quantize(Network(1), Options with { QuantizationFormat = QuantizationFormat.Folded }, null);
        CollectionAssert.AreEqual(folded, WeightRounding.Quantize(Network(1), Options with { QuantizationFormat = QuantizationFormat.Folded }, MadeUp(1)), "a format that is asked for does nothing else");
    }

    [TestMethod]
    public void CancelledRun_EndsAsOne() =>
        Assert.ThrowsExactly<OperationCanceledException>(() => WeightRounding.Quantize(Network(1), Options, new SimulatedRuns(SyntheticInputs.For(Network(1).Model)) { Stopping = new(true) }));

    [TestMethod]
    public void RecordedMeans_AreTakenInsteadOfARun()
    {
        var measured = new MeasurementRecord();
        byte[] first = WeightRounding.Quantize(Network(1), Options, new SimulatedRuns(SyntheticInputs.For(Network(1).Model)) { Record = measured });
        byte[] again = WeightRounding.Quantize(Network(1), Options, new NoRuns(new(measured.Measured)));
        CollectionAssert.AreEqual(first, again);
    }

    private sealed class NoRuns(MeasurementRecord record) : IStatisticsSource
    {
        public int SampleCount => 1;

        public MeasurementRecord? Record => record;

        public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default) => Assert.Fail("nothing need be run");
    }

    private static SimulatedRuns MadeUp(int group) => new(SyntheticInputs.For(Network(group).Model, seed: 5));

    /// <summary>Rectified convolutions, so that inputs have means; the last one has no bias.</summary>
    private static TestModel Network(int group)
    {
        var model = new TestModel();
        var x = model.Node("Conv", [model.Input("x", 1, 3, 24, 24), model.Weight("w0", 32, 3, 3, 3), model.Weight("b0", 32)]);
        x = model.Node("Conv", [model.Node("Relu", [x]), model.Weight("w1", 32, 32 / group, 3, 3), model.Weight("b1", 32)], NodeAttribute.Of("group", (long)group));
        model.Output(model.Node("Conv", [model.Node("Relu", [x]), model.Weight("w2", 24, 32, 1, 1)]));
        return model;
    }

    /// <summary>Root mean square of the shifts of channels' means, and of all errors, on pictures of another seed.</summary>
    private static (double Shift, double Noise) Distance(int group, byte[] quantized)
    {
        using var one = Equivalence.Open(OnnxWriter.ToBytes(Network(group).Model));
        using var two = Equivalence.Open(quantized);
        var samples = SyntheticInputs.For(Network(group).Model, seed: 77);
        double[] shifts = new double[24];
        double noise = 0;
        for (int s = 0; s < samples.Count; s++)
        {
            var (a, b) = (Output(one, samples.Read(0, s)), Output(two, samples.Read(0, s)));
            for (int i = 0; i < a.Length; i++)
            {
                double error = a[i] - (double)b[i];
                noise += error * error;
                shifts[i / (a.Length / shifts.Length)] += error / (a.Length / shifts.Length * samples.Count);
            }
        }

        return (Math.Sqrt(shifts.Average(s => s * s)), noise);
    }

    private static float[] Output(ModelSession session, Sample sample) => ((TensorValue)session.Run(sample.Inputs)[0].Value).Tensor.AsSpan<float>().ToArray();
}
