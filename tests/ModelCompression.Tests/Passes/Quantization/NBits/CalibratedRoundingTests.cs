using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Tests.Passes.Simplification;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Passes.Quantization.NBits;

/// <summary>Rounding with calibration data, judged by what the model computes on samples that were not used for it.</summary>
[TestClass]
public sealed class CalibratedRoundingTests
{
    private static readonly string[] Layers = ["gemm", "conv", "conv, groups", "conv transpose", "matmul, weight first"];

    public static IEnumerable<object[]> Cases =>
        from layer in Layers
        from algorithm in new[] { QuantizationAlgorithm.Gptq, QuantizationAlgorithm.AdaRound }
        select new object[] { layer, algorithm };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Outputs_ComeCloserThanByRoundingToNearest(string layer, QuantizationAlgorithm algorithm)
    {
        double nearest = Quantized(layer, QuantizationAlgorithm.RoundToNearest, 64, out _), rounded = Quantized(layer, algorithm, 64, out var log);
        Assert.IsEmpty(log.Diagnostics);
        Assert.IsTrue(log.Layers.All(l => l.Bits == 3 || l.OriginalBytes < 1000), string.Join("; ", log.Layers.Select(l => l.Reason)));
        Assert.IsGreaterThan(nearest + 2, rounded, $"dB, {nearest:0.0} by rounding to nearest");
    }

    [TestMethod]
    public void TooFewRows_AreAWarningAndRoundWithoutThem()
    {
        double hqq = Sqnr(Wide, QuantizationAlgorithm.Hqq, 4, out _), rounded = Sqnr(Wide, QuantizationAlgorithm.Gptq, 4, out var log);
        Assert.AreEqual("MCB4070", log.Diagnostics.Single().Code);
        Assert.Contains("too few", log.Layers[0].Reason);
        Assert.AreEqual(hqq, rounded, "rounded as by Hqq");
    }

    /// <summary>What few rows say of each other is chance in part, but inputs of trained networks are correlated enough.</summary>
    [TestMethod]
    [DataRow(QuantizationAlgorithm.Gptq), DataRow(QuantizationAlgorithm.AdaRound)]
    public void RowsFewerThanAQuarterOfTheInputs_AreUsed(QuantizationAlgorithm algorithm)
    {
        double nearest = Sqnr(Wide, QuantizationAlgorithm.RoundToNearest, 32, out _), rounded = Sqnr(Wide, algorithm, 32, out var log);
        Assert.IsEmpty(log.Diagnostics);
        Assert.IsGreaterThan(nearest + 0.5, rounded);
    }

    [TestMethod]
    public void Bytes_AreTheSameForAnyNumberOfThreads()
    {
        byte[][] results = [.. new[] { 1, 3 }.Select(threads =>
        {
            var model = Model("conv");
            new QuantizeWeights(new Calibrator(new Samples(model.Model, 20), 300, threads)).Run(model.Model, new(Options(QuantizationAlgorithm.AdaRound)), new PassLog());
            return OnnxWriter.ToBytes(model.Model);
        })];
        CollectionAssert.AreEqual(results[0], results[1]);
    }

    [TestMethod]
    [DataRow(QuantizationAlgorithm.Gptq), DataRow(QuantizationAlgorithm.AdaRound)]
    public void CancelledOnceInputsAreKnown_RoundsNothing(QuantizationAlgorithm algorithm)
    {
        var model = Model("gemm");
        using var stop = new CancellationTokenSource();
        var pass = new QuantizeWeights(new StoppingSource(new Calibrator(new Samples(model.Model, 64), 300, 2), stop), cancellation: stop.Token);
        Assert.Throws<OperationCanceledException>(() => pass.Run(model.Model, new(Options(algorithm)), new PassLog()));
    }

    /// <summary>SQNR of the outputs in dB on ten other samples.</summary>
    private static double Quantized(string layer, QuantizationAlgorithm algorithm, int samples, out PassLog log) => Sqnr(() => Model(layer), algorithm, samples, out log);

    private static double Sqnr(Func<TestModel> make, QuantizationAlgorithm algorithm, int samples, out PassLog log)
    {
        TestModel original = make(), model = make();
        log = new PassLog();
        new QuantizeWeights(new Calibrator(new Samples(model.Model, samples), 300, 2)).Run(model.Model, new(Options(algorithm)), log);
        using var one = Equivalence.Open(OnnxWriter.ToBytes(original.Model));
        using var two = Equivalence.Open(OnnxWriter.ToBytes(model.Model));
        var sqnr = new OutputSqnr();
        for (int i = 1000; i < 1010; i++)
        {
            var input = new Samples(original.Model, 0).Make(i);
            sqnr.Add(one.Run(input), two.Run(input));
        }

        return sqnr.Db;
    }

    private static CompressionOptions Options(QuantizationAlgorithm algorithm) => new()
    {
        Quantization = QuantizationMode.WeightOnly,
        QuantizationFormat = QuantizationFormat.Folded,
        QuantizationAlgorithm = algorithm,
        WeightBits = 3,
        QuantizationGranularity = QuantizationGranularity.Block,
    };

    /// <summary>A row of 256 inputs per sample.</summary>
    private static TestModel Wide()
    {
        var model = new TestModel();
        model.Output(model.Node("MatMul", [model.Input("x", 1, 256), model.Weight("w", 256, 48)]));
        return model;
    }

    private static TestModel Model(string layer)
    {
        var model = new TestModel();
        WeightCase.All.Single(c => c.Name == layer).Build(model);
        return model;
    }
}
