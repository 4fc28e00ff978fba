using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Tests.Passes.Quantization.NBits;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Quantization.Static;

[TestClass]
public sealed class StaticTargetTests
{
    /// <summary>Sums of two products of 8 bits saturate on processors without VNNI; 16-bit activations are multiplied as floats everywhere.</summary>
    [TestMethod]
    [DataRow(8, false), DataRow(16, true)]
    public void WeightsOfWideActivations_NeedNoRoomForSums(int activationBits, bool same)
    {
        byte[] any = Quantized(activationBits, TargetCpu.Any), vnni = Quantized(activationBits, TargetCpu.X64Vnni);
        Assert.AreEqual(same, any.AsSpan().SequenceEqual(vnni));
    }

    private static byte[] Quantized(int activationBits, TargetCpu target)
    {
        var model = new TestModel();
        model.Output(model.Node("MatMul", [model.Input("x", 4, 64), model.Weight("w", 64, 32)]));
        var options = new CompressionOptions { Quantization = QuantizationMode.Static, QuantizationFormat = QuantizationFormat.Qdq, ActivationBits = activationBits, TargetCpu = target };
        var log = new PassLog();
        new QuantizeStatically(new Calibrator(new Samples(model.Model, 8), 300, 1)).Run(model.Model, new(options), log);
        Assert.IsNotEmpty(log.Layers);
        return OnnxWriter.ToBytes(model.Model);
    }
}
