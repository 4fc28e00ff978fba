using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline.Sensitivity;

namespace ModelCompression.Tests.Pipeline.Sensitivity;

[TestClass]
public sealed class SensitivityMeterTests
{
    [TestMethod]
    [DataRow("WeightOnly")]
    [DataRow("Dynamic")]
    [DataRow("Static")]
    public void Layers_AreMeasuredOneByOneAndSorted(string quantization)
    {
        var result = Measure(("Quantization", quantization));
        Assert.AreEqual(quantization, result.Quantization);
        CollectionAssert.AreEquivalent(new[] { "Conv", "Conv", "Gemm", "Gemm" }, result.Layers.Select(l => l.OpType).ToArray());
        foreach (var layer in result.Layers) Assert.IsTrue(layer.SqnrDb is > 20 and < 90, layer.ToString());
        CollectionAssert.AreEqual(result.Layers.OrderBy(l => l.SqnrDb).ToArray(), result.Layers.ToArray());
        Assert.IsTrue(result.Layers.All(l => l.TopOneAgreement is >= 0.8 and <= 1));
    }

    [TestMethod]
    public void Static_MeasuresIntegerActivations_WhereverTheyArePossible() =>
        Assert.IsTrue(Measure(("Quantization", "Static")).Layers.All(l => l.Action!.StartsWith("static int8", StringComparison.Ordinal)));

    [TestMethod]
    public void Noise_AddsUpToThatOfTheWholeModel()
    {
        // A layer that is too small to quantize has no noise of its own. Errors of the layers are nearly independent: their powers add up. 3 dB either way is a factor of 2.
        var layers = Measure(("Quantization", "WeightOnly"), ("WeightBits", "6")).Layers;
        double sum = -10 * Math.Log10(layers.Where(l => l.SqnrDb is not null).Sum(l => Math.Pow(10, -l.SqnrDb!.Value / 10)));
        using var fixture = new PipelineFixture();
        var report = fixture.Run(("WeightBits", "6"), ("QuantizationFormat", "Folded"), ("ValidationData", PipelineFixture.SampleData)).Report!;
        Assert.AreEqual(report.Fidelity!.SqnrDb!.Value, sum, 3);
    }

    [TestMethod]
    public void FewerBits_AreWorseInEveryLayer()
    {
        var many = Measure(("WeightBits", "8")).Layers.ToDictionary(l => l.Node);
        foreach (var layer in Measure(("WeightBits", "4")).Layers)
        {
            Assert.IsLessThan(many[layer.Node].SqnrDb!.Value - 12, layer.SqnrDb!.Value, "4 bits are 24 dB, less what clipping and chance make of it");
            Assert.IsLessThan(many[layer.Node].WeightSqnrDb!.Value - 18, layer.WeightSqnrDb!.Value);
        }
    }

    [TestMethod]
    public void ExcludedLayer_IsListedLastWithTheReason()
    {
        var result = Measure(("ExcludeOpTypes", "Gemm"));
        Assert.AreEqual("in ExcludeOpTypes", result.Layers[^1].Reason);
        Assert.IsNull(result.Layers[^1].SqnrDb);
        Assert.HasCount(2, result.Layers.Where(l => l.SqnrDb is not null).ToArray());
    }

    [TestMethod]
    [DataRow(0), DataRow(1)]
    public void CancelledBehindItsLastLayer_GivesNoResult(int layersLeft)
    {
        using var stop = new CancellationTokenSource();
        var meter = Meter(1) with { Progress = p => { if (p.Done == p.Total - layersLeft) stop.Cancel(); } };
        Assert.Throws<OperationCanceledException>(() => meter.Run(stop.Token));
    }

    [TestMethod]
    public void Threads_DoNotChangeTheResult() => Assert.AreEqual(Meter(1).Run().ToJson(), Meter(4).Run().ToJson());

    [TestMethod]
    [DataRow("Quantization", "Float16", "MCB1004")]
    [DataRow("Quantization", "Int8", "MCB1002")]
    public void SettingsWithoutIntegers_AreAnError(string name, string value, string code) =>
        Assert.AreEqual(code, Assert.ThrowsExactly<DiagnosticException>(() => Measure((name, value))).Diagnostic.Code);

    private static ModelSensitivity Measure(params (string Name, string Value)[] settings) => Meter(2, settings).Run();

    private static SensitivityMeter Meter(int threads, params (string Name, string Value)[] settings) => new()
    {
        ModelPath = PipelineFixture.SampleModel,
        Data = [PipelineFixture.SampleData],
        Settings = new SettingsSource("The test", settings.Append(("CalibrationSamples", "32")).Append(("CalibrationData", PipelineFixture.SampleData)).ToDictionary(s => s.Item1, s => s.Item2)),
        SampleCount = 16,
        Threads = threads,
    };
}
