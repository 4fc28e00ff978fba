using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Statistics;
using ModelCompression.Tests.Passes.Simplification;
using ModelCompression.Tests.Runtime;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Rounding without data that knows the mean of layers' inputs from runs on noise.</summary>
[TestClass]
public sealed class MeanInputsTests
{
    [TestMethod]
    [DataRow(QuantizationAlgorithm.RoundToNearest, 1.0)]
    [DataRow(QuantizationAlgorithm.Hqq, 2.0)]
    public void Outputs_ComeCloser(QuantizationAlgorithm algorithm, double gainDb)
    {
        var options = Options(algorithm);
        double without = Sqnr(options, _ => null, out var plain), with = Sqnr(options, m => new SimulatedRuns(SyntheticInputs.For(m)), out var kept);
        Assert.IsGreaterThan(without + gainDb, with, $"dB; {without:0.0} without");
        Assert.AreEqual(plain.Length, kept.Length, "it costs no bytes");
        _ = Sqnr(options, m => new SimulatedRuns(SyntheticInputs.For(m)), out var again);
        CollectionAssert.AreEqual(kept, again);
    }

    [TestMethod]
    public void ModelThatDoesNotRun_IsRoundedWithoutMeans()
    {
        byte[] plain = WeightRounding.Quantize(Network(), Options(QuantizationAlgorithm.Hqq), null);
        byte[] failed = WeightRounding.Quantize(Network(), Options(QuantizationAlgorithm.Hqq), new SimulatedRuns(SyntheticInputs.For(WeightRounding.Misfit())));
        CollectionAssert.AreEqual(plain, failed);
    }

    [TestMethod]
    public void CancelledRun_EndsAsOne_ThoughManyThreadsWaitForIt() =>
        Assert.ThrowsExactly<OperationCanceledException>(() => WeightRounding.Quantize(Network(), Options(QuantizationAlgorithm.Hqq), new SimulatedRuns(SyntheticInputs.For(Network().Model)) { Stopping = new(true) }));

    [TestMethod]
    public void ModelThatSeesNothingIn0To1_IsShownNormalizedPictures()
    {
        using var model = SmallModel.Rectified(0.5f);
        var statistics = new StatisticsPlan();
        var seen = statistics.Need(model.Graph.Outputs[0], RangeStatistic.Key, () => new RangeStatistic());
        var samples = SyntheticInputs.For(model);
        new SimulatedRuns(samples).Collect(model, statistics);
        Assert.IsGreaterThan(0.1f, seen.Max);
        Assert.AreEqual(samples.Count, seen.SampleCount);
    }

    [TestMethod]
    public void Weights_AreLentToLargeModels()
    {
        var model = Network(600);
        var statistics = new StatisticsPlan();
        var hidden = model.Model.Graph.Nodes.First(n => n.OpType == "Sigmoid").Output()!;
        var rows = TensorRows.Along(-1);
        var mean = statistics.Need(hidden, MeanRowStatistic.Key(rows, 8), () => new MeanRowStatistic(rows, 8));
        var samples = SyntheticInputs.For(model.Model);
        new SimulatedRuns(samples).Collect(model.Model, statistics);

        Assert.AreEqual(600, mean.Width);
        Assert.AreEqual(samples.Count * 4L, mean.RowCount);
        model.Output(hidden);
        using var session = ModelSession.Open(OnnxWriter.ToBytes(model.Model), "model", SessionSettings.Default, ModelRole.Original);
        double[] expected = new double[600];
        for (int s = 0; s < samples.Count; s++)
        {
            var x = ((TensorValue)session.Run(samples.Read(0, s).Inputs)[1].Value).Tensor.AsSpan<float>();
            for (int i = 0; i < x.Length; i++) expected[i % 600] += x[i] / (4.0 * samples.Count);
        }

        for (int k = 0; k < 600; k++) Assert.AreEqual(expected[k], mean.Mean(0, k), 1e-4 * (1 + Math.Abs(expected[k])));
    }

    [TestMethod]
    public void RunOverInputs_IsDoneBeforeTheModelIsEdited_ThoughNoWeightAsksForIt()
    {
        float[] weight = RandomFloats.Make(1, 64 * 64);
        weight[5] = float.NaN;
        var model = new TestModel();
        model.Output(model.Node("MatMul", [model.Node("Sigmoid", [model.Input("x", 4, 64)]), model.Constant("w", Tensor.Float([64, 64], weight))]));
        var slow = new SlowSource();
        WeightRounding.Quantize(model, Options(QuantizationAlgorithm.Hqq), slow);
        Assert.AreEqual((1, 1), (slow.Started, slow.Finished));
    }

    private sealed class SlowSource : IStatisticsSource
    {
        public int Started { get; private set; }

        public int Finished { get; private set; }

        public int SampleCount => 1;

        public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default)
        {
            Started++;
            Thread.Sleep(200);
            Finished++;
        }
    }

    private static CompressionOptions Options(QuantizationAlgorithm algorithm) => new()
    {
        Quantization = QuantizationMode.WeightOnly,
        QuantizationFormat = QuantizationFormat.Folded,
        QuantizationAlgorithm = algorithm,
        WeightBits = 3,
        QuantizationGranularity = QuantizationGranularity.Block,
    };

    /// <summary>Two products; what the second one multiplies has a mean with either sign.</summary>
    private static TestModel Network(int width = 128)
    {
        var model = new TestModel();
        var hidden = model.Node("Sigmoid", [model.Node("MatMul", [model.Input("x", 4, 64), model.Weight("w", 64, width)])]);
        model.Output(model.Node("MatMul", [model.Node("Add", [hidden, model.Weight("c", width)]), model.Weight("v", width, 96)]));
        return model;
    }

    private static double Sqnr(CompressionOptions options, Func<Model, IStatisticsSource?> inputs, out byte[] quantized)
    {
        var model = Network();
        quantized = WeightRounding.Quantize(model, options, inputs(model.Model));
        using var one = Equivalence.Open(OnnxWriter.ToBytes(Network().Model));
        using var two = Equivalence.Open(quantized);
        var sqnr = new OutputSqnr();
        var samples = SyntheticInputs.For(Network().Model, seed: 77);
        for (int i = 0; i < samples.Count; i++) sqnr.Add(one.Run(samples.Read(0, i).Inputs), two.Run(samples.Read(0, i).Inputs));
        return sqnr.Db;
    }
}
