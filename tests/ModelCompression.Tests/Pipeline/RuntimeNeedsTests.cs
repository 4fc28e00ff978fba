using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;

namespace ModelCompression.Tests.Pipeline;

/// <summary>Results that older versions of ONNX Runtime do not open say so.</summary>
[TestClass]
public sealed class RuntimeNeedsTests
{
    private const string Code = "MCB4049";

    [TestMethod]
    [DataRow("WeightOnly", "2", "MatMulNBits", "1.24", "MatMulNBits of 2 bits")]
    [DataRow("WeightOnly", "4", "MatMulNBits", "1.17", "MatMulNBits")]
    [DataRow("WeightOnly", "8", "MatMulNBits", "1.22", "MatMulNBits of 8 bits")]
    public void Kernels_AreNamedWithTheirVersion(string quantization, string bits, string format, string version, string operators)
    {
        using var fixture = new PipelineFixture();

        fixture.Run(("Quantization", quantization), ("WeightBits", bits), ("QuantizationFormat", format), ("QuantizationGranularity", "Block"), ("BlockSize", "32"));

        var note = fixture.Diagnostics.Single(d => d.Code == Code);
        Assert.AreEqual(DiagnosticSeverity.Message, note.Severity);
        Assert.Contains($"ONNX Runtime {version} or later", note.Message);
        Assert.Contains($"do not have {operators}.", note.Message);
    }

    [TestMethod]
    public void SixteenBitActivations_AreNamedWithTheirVersion()
    {
        using var fixture = new PipelineFixture();

        fixture.Run(("Quantization", "Static"), ("QuantizationFormat", "QDQ"), ("ActivationBits", "16"), ("CalibrationData", PipelineFixture.SampleData), ("CalibrationSamples", "8"));

        Assert.Contains("ONNX Runtime 1.17 or later", fixture.Diagnostics.Single(d => d.Code == Code).Message);
    }

    /// <summary>What is made of ordinary operators, is not shipped, or is in the original already asks for nothing new.</summary>
    [TestMethod]
    public void OtherResults_SayNothing()
    {
        using var fixture = new PipelineFixture();
        (string, string)[] kernels = [("Quantization", "WeightOnly"), ("WeightBits", "8"), ("QuantizationFormat", "MatMulNBits"), ("QuantizationGranularity", "Block"), ("BlockSize", "32")];

        foreach (var settings in new (string, string)[][] { [], [("Preset", "Smallest")], [("Quantization", "Dynamic")], [.. kernels, ("MaxSize", "1KB"), ("OnFailure", "KeepOriginal")] })
        {
            Assert.AreNotEqual(CompressionStatus.Failed, fixture.Run(settings).Status, fixture.Told);
            Assert.IsFalse(fixture.Diagnostics.Any(d => d.Code == Code), fixture.Told);
        }

        fixture.Run(kernels);
        Assert.IsTrue(fixture.Diagnostics.Any(d => d.Code == Code), fixture.Told);
        fixture.Source = Path.Combine(fixture.Folder, "again.onnx");
        File.Copy(fixture.Output, fixture.Source);
        fixture.Run(("Quantization", "Float16"));
        Assert.IsFalse(fixture.Diagnostics.Any(d => d.Code == Code), fixture.Told);
    }
}
