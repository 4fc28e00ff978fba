using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Conversion;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Passes.Quantization.Static;

/// <summary>Published models in every format of static quantization: they open, and return what the original returns, roughly.</summary>
[TestClass]
public sealed class StaticModelTests
{
    [TestMethod]
    [DataRow("blazeface/face_detection_front_128x128_barracuda.onnx", QuantizationFormat.Qdq, 8)]
    [DataRow("blazeface/face_detection_front_128x128_barracuda.onnx", QuantizationFormat.QOperator, 8)]
    [DataRow("blazeface/face_detection_front_128x128_barracuda.onnx", QuantizationFormat.Qdq, 16)]
    [DataRow("mlsd/mlsd_320x320_tiny.onnx", QuantizationFormat.QOperator, 8)]
    [DataRow("mlsd/mlsd_320x320_tiny.onnx", QuantizationFormat.Qdq, 16)]
    [DataRow("speech-embedding/embedding_model.onnx", QuantizationFormat.Qdq, 8)]
    [DataRow("speech-embedding/embedding_model.onnx", QuantizationFormat.QOperator, 8)]
    [DataRow("ppocr-v4/ch_ppocr_mobile_v2.0_cls_infer.onnx", QuantizationFormat.QOperator, 8)]
    public void Model_OpensAndStaysClose(string name, QuantizationFormat format, int activationBits)
    {
        using var model = OnnxReader.Read(ModelZoo.Path(name));
        var samples = new CalibrationRows(model, 4, size: 48);
        using var original = ModelSession.Open(OnnxWriter.ToBytes(model), "original.onnx", SessionSettings.Default, ModelRole.Original);
        var settings = new CompressionSettings(new() { Quantization = QuantizationMode.Static, QuantizationFormat = format, ActivationBits = activationBits, TargetCpu = TargetCpu.X64Vnni });
        var log = new PassLog();
        new RaiseOpset().Run(model, settings, log);

        new QuantizeStatically(CalibrationRows.For(samples)).Run(model, settings, log);
        new RemoveUnusedNodes().Run(model, settings, log);

        using var compressed = ModelSession.Open(OnnxWriter.ToBytes(model), "compressed.onnx", SessionSettings.Default, ModelRole.Compressed);
        var sqnr = new OutputSqnr();
        for (int i = 0; i < samples.Count; i++) sqnr.Add(original.Run(samples.Read(0, i).Inputs), compressed.Run(samples.Read(0, i).Inputs));

        Assert.IsNotEmpty(log.Layers);
        // 8 bits of every activation leave some 10 dB of the outputs of deep nets at worst; 16 bits leave the error of 8-bit weights.
        Assert.IsGreaterThan(activationBits == 8 ? 5 : 15, sqnr.Db, name);
        string[] types = [.. model.Graph.Nodes.Select(n => n.OpType)];
        Assert.AreEqual(format == QuantizationFormat.QOperator, types.Contains("QLinearConv"), name);
    }
}
