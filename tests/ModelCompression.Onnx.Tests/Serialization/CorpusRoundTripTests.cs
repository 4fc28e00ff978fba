using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Testing;

namespace ModelCompression.Onnx.Tests.Serialization;

[TestClass]
public class CorpusRoundTripTests
{
    private const int OnnxTestModels = 1072;

    [TestMethod]
    [DataRow("ppocr-v4/ch_PP-OCRv4_rec_infer.onnx")]
    [DataRow("ppocr-v4/ch_PP-OCRv4_det_infer.onnx")]
    [DataRow("ppocr-v4/ch_ppocr_mobile_v2.0_cls_infer.onnx")]
    [DataRow("silero-vad/silero_vad_legacy.onnx")]
    [DataRow("silero-vad/silero_vad_v5.onnx")]
    [DataRow("silero-vad/silero_vad_v6.onnx")]
    [DataRow("blazeface/face_detection_back_256x256_barracuda.onnx")]
    [DataRow("blazeface/face_detection_front_128x128_barracuda.onnx")]
    [DataRow("mlsd/mlsd_320x320_large.onnx")]
    [DataRow("mlsd/mlsd_320x320_tiny.onnx")]
    [DataRow("speech-embedding/embedding_model.onnx")]
    [DataRow("speech-embedding/melspectrogram.onnx")]
    [DataRow("whisper-tiny/encoder_model_quantized.onnx")]
    [DataRow("whisper-tiny/decoder_model_merged_quantized.onnx")]
    public void PublishedModel_IsEqualAfterARoundTrip(string name)
    {
        var differences = RoundTrip(ModelZoo.Path(name));

        Assert.IsEmpty(differences, string.Join('\n', differences.Take(10)));
    }

    [TestMethod]
    public void EveryOnnxTestModel_IsEqualAfterARoundTrip()
    {
        string[] files = [.. Directory.EnumerateFiles(ModelZoo.OnnxTestData(), "*.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

        var failures = files.SelectMany(f => RoundTrip(f).Take(3).Select(d => $"{f}: {d}")).ToList();

        Assert.IsGreaterThanOrEqualTo(OnnxTestModels, files.Length);
        Assert.IsEmpty(failures, $"{failures.Count}:\n" + string.Join('\n', failures.Take(20)));
    }

    private static List<string> RoundTrip(string path)
    {
        byte[] original = File.ReadAllBytes(path);
        using var model = OnnxReader.Read(path);
        byte[] first = OnnxWriter.ToBytes(model);
        using var again = OnnxReader.Read(first);
        byte[] second = OnnxWriter.ToBytes(again);
        var differences = MessageComparer.Compare(original, first);
        if (!first.AsSpan().SequenceEqual(second)) differences.Add("the second write differs from the first");
        var copy = ModelCopy.Of(model).Model;
        if (!first.AsSpan().SequenceEqual(OnnxWriter.ToBytes(copy))) differences.Add("a copy of the graph is written differently");
        differences.AddRange(GraphVerifier.Verify(model));
        differences.AddRange(GraphVerifier.Verify(copy));
        differences.AddRange(model.Notes.Select(n => n.Message));
        return differences;
    }
}
