using ModelCompression.Pipeline;

namespace ModelCompression.Tests.Pipeline;

/// <summary>What the presets make of the article's network.</summary>
[TestClass]
public sealed class PresetTests
{
    [TestMethod]
    public void DefaultPreset_IsAQuarterOfTheSizeAndKeepsTheAccuracy()
    {
        using var fixture = new PipelineFixture();

        var outcome = fixture.Run(("ValidationData", PipelineFixture.SampleData));

        Assert.AreEqual(CompressionStatus.Compressed, outcome.Status, fixture.Told);
        var report = outcome.Report!;
        Assert.AreEqual(new FileInfo(fixture.Output).Length, report.Compressed.Bytes);
        Assert.IsLessThan(report.Original.Bytes / 3.5, report.Compressed.Bytes);
        Assert.AreEqual(2000, report.Validation!.Samples);
        Assert.IsGreaterThan(0.85, report.Validation.Original!.Value);
        Assert.IsLessThan(0.003, Math.Abs(report.Validation.Drop!.Value));
        Assert.IsGreaterThan(30, report.Fidelity!.SqnrDb!.Value);
        Assert.AreEqual("validation", report.Fidelity.Inputs);
        Assert.AreEqual(19_694_848, report.Original.Macs, "1024·9·(32 + 32·64) + 4096·128 + 128·10");
    }

    [TestMethod]
    public void SmallestPreset_HalvesTheDefaultsBytesAndKeepsTheAccuracy()
    {
        using var fixture = new PipelineFixture();
        long balanced = fixture.Run().Report!.Compressed.Bytes;

        var smallest = fixture.Run(("Preset", "Smallest"), ("ValidationData", PipelineFixture.SampleData)).Report!;

        Assert.IsLessThan(0.6 * balanced, smallest.Compressed.Bytes, fixture.Told);
        Assert.IsLessThan(0.004, smallest.Validation!.Drop!.Value);
        Assert.Contains(l => l.Bits == 4, smallest.Layers);
        Assert.IsGreaterThan(20, smallest.Fidelity!.SqnrDb!.Value, "The layers' expected errors add up to 25 dB.");
    }

    [TestMethod]
    public void FastestPreset_IsStaticWithDataAndDynamicWithout()
    {
        using var fixture = new PipelineFixture();

        var dynamic = fixture.Run(("Preset", "Fastest")).Report!;
        var calibrated = fixture.Run(("Preset", "Fastest"), ("CalibrationData", PipelineFixture.SampleData), ("CalibrationSamples", "32"), ("ValidationData", PipelineFixture.SampleData)).Report!;
        var overridden = fixture.Run(("Preset", "Fastest"), ("Quantization", "WeightOnly")).Report!;

        Assert.AreEqual("Dynamic", dynamic.Quantization.Scheme);
        Assert.Contains(l => l.Action.Contains("MatMulInteger", StringComparison.Ordinal), dynamic.Layers);
        Assert.AreEqual("Static", calibrated.Quantization.Scheme);
        Assert.IsLessThan(0.004, calibrated.Validation!.Drop!.Value);
        Assert.AreEqual("WeightOnly", overridden.Quantization.Scheme);
    }
}
