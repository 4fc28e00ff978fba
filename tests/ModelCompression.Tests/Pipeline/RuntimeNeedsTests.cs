using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Pipeline;

namespace ModelCompression.Tests.Pipeline;

/// <summary>Results that older versions of ONNX Runtime do not open say so.</summary>
[TestClass]
public sealed class RuntimeNeedsTests
{
    private const string Code = "MCB4049";

    private static (string Name, string Value)[] Activations =>
        [("Quantization", "Static"), ("QuantizationFormat", "QDQ"), ("ActivationBits", "16"), ("CalibrationData", PipelineFixture.SampleData), ("CalibrationSamples", "8")];

    [TestMethod]
    [DataRow("2", "1.24", "MatMulNBits of 2 bits")]
    [DataRow("4", "1.17", "MatMulNBits")]
    [DataRow("8", "1.22", "MatMulNBits of 8 bits")]
    public void Kernels_AreNamedWithTheirVersion(string bits, string version, string operators)
    {
        using var fixture = new PipelineFixture();

        fixture.Run(Kernels(bits));

        var note = fixture.Diagnostics.Single(d => d.Code == Code);
        Assert.AreEqual(DiagnosticSeverity.Message, note.Severity);
        Assert.Contains($"ONNX Runtime {version} or later", note.Message);
        Assert.Contains($"do not have {operators}.", note.Message);
        AssertAdviceHelps(fixture, Kernels(bits), "QuantizationFormat=Folded");
    }

    /// <summary>Static quantization refuses the format that helps where weights only are quantized.</summary>
    [TestMethod]
    public void SixteenBitActivations_AreNamedWithTheirVersion()
    {
        using var fixture = new PipelineFixture();

        fixture.Run(Activations);

        Assert.Contains("ONNX Runtime 1.17 or later", fixture.Diagnostics.Single(d => d.Code == Code).Message);
        AssertAdviceHelps(fixture, Activations, "ActivationBits=8");
    }

    /// <summary>The version is that of the newest operator; the settings that avoid all of them are named at once, and are such as may be combined.</summary>
    [TestMethod]
    [DataRow("Static", "QDQ")]
    [DataRow("Dynamic", "QOperator")]
    [DataRow("WeightOnly", "Folded")]
    public void SeveralNeeds_AreAvoidedAtOnce(string quantization, string format)
    {
        using Model original = new(new OnnxGraph("original")), result = new(new OnnxGraph("result"));
        var x = result.Graph.AddInput("x", new TensorType(DataType.Float, new Shape(Dimension.OfSymbol("N"))));
        var zero = result.Graph.AddInitializer("zero", Tensor.Create(DataType.UInt16, [], new ushort[] { 0 }));
        result.Graph.AddNode("QuantizeLinear", [x, result.Graph.AddInitializer("scale", Tensor.Float([], [1])), zero], ["codes"], domain: "com.microsoft");
        foreach (long bits in new long[] { 4, 8 }) result.Graph.AddNode("MatMulNBits", [x], [$"y{bits}"], [NodeAttribute.Of("bits", bits)], "com.microsoft");

        string message = RuntimeNeeds.Of(result).BeyondThoseOf(RuntimeNeeds.Of(original), Enum.Parse<QuantizationMode>(quantization))!.Message;

        Assert.Contains("ONNX Runtime 1.22 or later", message);
        Assert.Contains("do not have MatMulNBits of 8 bits.", message);
        Assert.Contains($"Results with QuantizationFormat={format} and ActivationBits=8 open", message);
        Assert.IsNull(RuntimeNeeds.Of(result).BeyondThoseOf(RuntimeNeeds.Of(result), QuantizationMode.WeightOnly));
    }

    /// <summary>What is made of ordinary operators, is not shipped, or is in the original already asks for nothing new.</summary>
    [TestMethod]
    public void OtherResults_SayNothing()
    {
        using var fixture = new PipelineFixture();
        var kernels = Kernels("8");

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

    private static (string Name, string Value)[] Kernels(string bits) =>
        [("Quantization", "WeightOnly"), ("WeightBits", bits), ("QuantizationFormat", "MatMulNBits"), ("QuantizationGranularity", "Block"), ("BlockSize", "32")];

    /// <summary>The message names a setting, and a result with it needs nothing new.</summary>
    private static void AssertAdviceHelps(PipelineFixture fixture, (string Name, string Value)[] settings, string advice)
    {
        Assert.Contains($"Results with {advice} open in every version", fixture.Told);
        string[] instead = advice.Split('=');
        var outcome = fixture.Run([.. settings.Where(s => s.Name != instead[0]), (instead[0], instead[1])]);
        Assert.AreEqual(CompressionStatus.Compressed, outcome.Status, fixture.Told);
        Assert.IsFalse(fixture.Diagnostics.Any(d => d.Code == Code), fixture.Told);
    }
}
