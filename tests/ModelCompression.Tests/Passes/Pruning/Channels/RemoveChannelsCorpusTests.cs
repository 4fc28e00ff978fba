using ModelCompression.Analysis;
using ModelCompression.Analysis.Costs;
using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Pruning.Channels;
using ModelCompression.Runtime;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Passes.Pruning.Channels;

/// <summary>Structured pruning of published models: no crash, consistent shapes, results that load.</summary>
[TestClass]
public sealed class RemoveChannelsCorpusTests
{
    private static readonly CompressionOptions Half = new() { Pruning = PruningCriterion.Magnitude, PruningPattern = new(PruningPatternKind.Channel), Sparsity = 0.5, PruningScope = PruningScope.Layer, ChannelMultiple = 1 };

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public void ConformanceModels_StayConsistent()
    {
        var files = Directory.EnumerateFiles(ModelZoo.OnnxTestData(), "*.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToList();
        int pruned = 0, read = 0;
        foreach (string file in files)
        {
            Model model;
            try
            {
                model = OnnxReader.Read(file);
            }
            catch (DiagnosticException)
            {
                // Cases for formats this product refuses to read.
                continue;
            }

            using (model)
            {
                read++;
                var contradictions = ShapeInference.Run(model).Contradictions.Select(c => c.Value.Name).ToHashSet();
                var log = new PassLog();
                new RemoveChannels([new MagnitudeChannelScorer()]).Run(model, new(Half), log);
                Assert.IsEmpty(ShapeInference.Run(model).Contradictions.Where(c => !contradictions.Contains(c.Value.Name)), file);
                if (log.Edits.Any(e => e.Applied)) pruned++;
            }
        }

        TestContext.WriteLine($"{pruned} of {read} models pruned");
        Assert.IsGreaterThan(800, read);
    }

    [TestMethod]
    [DataRow("ppocr-v4/ch_PP-OCRv4_rec_infer.onnx", 0.5)]
    [DataRow("ppocr-v4/ch_PP-OCRv4_det_infer.onnx", 0.5)]
    [DataRow("blazeface/face_detection_front_128x128_barracuda.onnx", 0.6)]
    [DataRow("mlsd/mlsd_320x320_tiny.onnx", 0.5)]
    [DataRow("speech-embedding/embedding_model.onnx", 0.5)]
    [DataRow("silero-vad/silero_vad_legacy.onnx", 0.9)]
    public void RealModel_LosesParametersAndRuns(string name, double atMost)
    {
        using var model = OnnxReader.Read(ModelZoo.Path(name));
        long before = ParameterCounter.Count(model).Parameters;
        string interfaceBefore = Interface(model);
        var log = new PassLog();
        new RemoveChannels([new MagnitudeChannelScorer()]).Run(model, new(Half), log);

        Assert.AreEqual(interfaceBefore, Interface(model));
        Assert.IsLessThan(atMost * before, ParameterCounter.Count(model).Parameters);
        Assert.IsTrue(log.Layers.Where(l => l.Action == "unchanged").All(l => l.Reason.Length > 0), "Whatever stays has a reason.");
        using var session = ModelSession.Open(OnnxWriter.ToBytes(model), name, SessionSettings.Default, ModelRole.Compressed);
        Assert.IsNotEmpty(session.Run(AcceptedSample(name).Inputs));
    }

    /// <summary>Synthetic inputs that the original accepts; lengths are guessed, so it may take several attempts.</summary>
    private static Sample AcceptedSample(string name)
    {
        using var original = OnnxReader.Read(ModelZoo.Path(name));
        using var session = ModelSession.Open(OnnxWriter.ToBytes(original), name, SessionSettings.Default, ModelRole.Original);
        var samples = SyntheticInputs.For(original);
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                session.Run(samples.Read(attempt, 0).Inputs);
                return samples.Read(attempt, 0);
            }
            catch (DiagnosticException) when (attempt < 8)
            {
                // Too short for this model.
            }
        }
    }

    private static string Interface(Model model) => string.Join(';', model.Graph.Inputs.Where(i => i.Initializer is null).Concat(model.Graph.Outputs).Select(v => $"{v.Name}:{v.Type}:{v.TensorType?.Shape}"));
}
