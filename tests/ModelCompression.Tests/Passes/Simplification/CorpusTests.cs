using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Passes.Simplification;

/// <summary>The whole pipeline on published models: they still load, return the same, and never grow.</summary>
[TestClass]
public sealed class CorpusTests
{
    /// <summary>Of the 1,072 conformance models at least this many must have been compared.</summary>
    private const int MinComparable = 900;

    public required TestContext TestContext { get; init; }

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
    public void TrainedModel_ReturnsTheSame(string name) => Assert.AreEqual(Outcome.Equal, Simplify(ModelZoo.Path(name)));

    [TestMethod]
    [DataRow("silero-vad/silero_vad_legacy.onnx", "sr", 512, 16000L)]
    [DataRow("silero-vad/silero_vad_legacy.onnx", "sr", 256, 8000L)]
    [DataRow("silero-vad/silero_vad_v6.onnx", "sr", 576, 16000L)]
    [DataRow("silero-vad/silero_vad_v6.onnx", "sr", 288, 8000L)]
    [DataRow("whisper-tiny/decoder_model_merged_quantized.onnx", "use_cache_branch", 0, 0L)]
    [DataRow("whisper-tiny/decoder_model_merged_quantized.onnx", "use_cache_branch", 0, 1L)]
    public void Branch_ThatAnInputChooses_ReturnsTheSame(string name, string choice, int length, long value)
    {
        using var model = OnnxReader.Read(ModelZoo.Path(name));
        byte[] before = OnnxWriter.ToBytes(model);
        var random = new TestModel();
        var sample = SyntheticInputs.For(model, seed: 1).Read(0, 0).Inputs.Select(i => i.Name == choice ? new NamedValue(choice, new TensorValue(choice == "sr" ? Tensor.Int64([], value) : Tensor.Create(DataType.Bool, [1], new[] { (byte)value })))
            : i.Name == "input" ? new NamedValue("input", new TensorValue(random.RandomTensor(1, length))) : i).ToArray();
        Run(model);
        using var original = Equivalence.Open(before);
        using var changed = Equivalence.Open(OnnxWriter.ToBytes(model));
        Assert.IsNull(Equivalence.Difference(original.Run(sample), changed.Run(sample), Tolerance));
    }

    [TestMethod]
    public void ConformanceModels_ReturnTheSame()
    {
        var outcomes = Directory.EnumerateFiles(ModelZoo.OnnxTestData(), "model.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .ToDictionary(path => path, Simplify);
        int Count(Outcome outcome) => outcomes.Values.Count(o => o == outcome);
        // The rest are removed operators, types without a kernel, training, and random values.
        string counts = $"{Count(Outcome.Equal)} of {outcomes.Count} equal, {Count(Outcome.NotRunnable)} not runnable";
        TestContext.WriteLine(counts);
        Assert.IsGreaterThan(MinComparable, Count(Outcome.Equal), counts);
    }

    private enum Outcome
    {
        /// <summary>Loads and returns the same.</summary>
        Equal,

        /// <summary>The original does not load or run, or returns random values.</summary>
        NotRunnable,
    }

    private static void Run(Model model) =>
        new SimplificationPipeline(new OrtConstantEvaluator()).Run(model, new CompressionSettings(new CompressionOptions()), new PassLog());

    private static Outcome Simplify(string path)
    {
        using var model = OnnxReader.Read(path);
        byte[] before = OnnxWriter.ToBytes(model);
        var inputs = SyntheticInputs.For(model, seed: 1);
        Run(model);
        byte[] after = OnnxWriter.ToBytes(model);
        Assert.IsLessThanOrEqualTo(before.Length, after.Length, $"{path} has grown.");
        if (TryOpen(before) is not { } original) return Outcome.NotRunnable;
        using (original)
        {
            using var changed = Equivalence.Open(after);
            Equivalence.AssertSameInterface(original, changed);
            if (RunStored(path, original, out var sample) is not { } expected && (expected = Equivalence.RunFirstThatWorks(original, inputs, out sample)!) is null)
                return Outcome.NotRunnable;
            if (Equivalence.Difference(expected, original.Run(sample.Inputs), _ => 0) is not null) return Outcome.NotRunnable;
            Assert.IsNull(Equivalence.Difference(expected, changed.Run(sample.Inputs), Tolerance), path);
            return Outcome.Equal;
        }
    }

    /// <summary>Runs a model on the first sample stored beside it; null when there is none that it accepts.</summary>
    private static IReadOnlyList<NamedValue>? RunStored(string path, ModelSession session, out Sample sample)
    {
        sample = new Sample([]);
        string folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(Path.Combine(folder, "test_data_set_0")) || session.Interface.Inputs.Count == 0) return null;
        try
        {
            using var data = DataSet.Open([folder], session.Interface);
            return session.Run((sample = data.Read(0)).Inputs);
        }
        catch (DiagnosticException)
        {
            return null;
        }
    }

    /// <summary>
    /// Folding rounds each weight and bias once more, u = 2⁻²⁴ relative. Over some hundred layers with reductions of some thousand terms such
    /// perturbations add up like random errors to about √(100·1000)·u of the largest output; three times as much is let pass.
    /// </summary>
    private static double Tolerance(double[] expected) =>
        3 * Math.Sqrt(100 * 1000) * Math.Pow(2, -24) * expected.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max();

    private static ModelSession? TryOpen(byte[] model)
    {
        try
        {
            return Equivalence.Open(model);
        }
        catch (DiagnosticException)
        {
            return null;
        }
    }
}
