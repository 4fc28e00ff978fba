using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Pipeline;
using ModelCompression.Tests.Gradients;

namespace ModelCompression.Tests.Pipeline;

[TestClass]
public sealed class TrainingInThePipelineTests
{
    [TestMethod]
    public void PruneFineTuneQuantize_GivesTheSameBytesForAnyNumberOfThreads()
    {
        using var blobs = new Blobs();
        using var fixture = new PipelineFixture { Source = blobs.ModelPath };
        (string, string)[] settings =
        [
            ("Pruning", "GradientStability"), ("Sparsity", "0.5"), ("TrainingData", blobs.DataPath), ("GradientIterations", "6"), ("FineTuneEpochs", "12"), ("LearningRate", "0.01"),
            ("ValidationData", blobs.DataPath), ("Quantization", "WeightOnly"),
        ];

        var report = fixture.Run(1, settings).Report!;
        byte[] bytes = File.ReadAllBytes(fixture.Output);
        fixture.Run(2, settings);

        CollectionAssert.AreEqual(bytes, File.ReadAllBytes(fixture.Output));
        Assert.AreEqual("GradientStability", report.Pruning.Criterion);
        Assert.AreEqual(0.5, report.Pruning.Sparsity, 0.02);
        // The labelled points are separable, the untrained network guesses.
        Assert.IsLessThan(0.75, report.Validation!.Original!.Value);
        Assert.IsGreaterThan(0.9, report.Validation.Compressed!.Value);
        Assert.DoesNotContain(l => l.Reason.Contains("not pruned", StringComparison.Ordinal), report.Layers);
        Assert.HasCount(14, report.Edits.Where(e => e.Pass == "FineTuneWeights").ToList());
    }

    [TestMethod]
    public void TrainingAlone_IsAResultThoughItSavesNothing()
    {
        using var blobs = new Blobs();
        using var fixture = new PipelineFixture { Source = blobs.ModelPath };

        var outcome = fixture.Run(("TrainingData", blobs.DataPath), ("FineTuneEpochs", "12"), ("LearningRate", "0.01"), ("Quantization", "None"), ("ValidationData", blobs.DataPath));

        Assert.AreEqual(CompressionStatus.Compressed, outcome.Status);
        Assert.IsGreaterThan(0.9, outcome.Report!.Validation!.Compressed!.Value);
        using var trained = OnnxReader.Read(fixture.Output);
        Assert.HasCount(4, trained.Graph.Initializers);
    }

    [TestMethod]
    public void DenseZeros_AreAResultThoughTheySaveNothing()
    {
        using var blobs = new Blobs();
        using var fixture = new PipelineFixture { Source = blobs.ModelPath };

        var outcome = fixture.Run(("Pruning", "Magnitude"), ("Sparsity", "0.5"), ("SparseStorage", "Dense"), ("Quantization", "None"));

        Assert.AreEqual(CompressionStatus.Compressed, outcome.Status);
        using var pruned = OnnxReader.Read(fixture.Output);
        Assert.AreEqual(192 / 2, pruned.Graph.Initializers.Single(i => i.Name == "w1").Initializer!.AsSpan<float>().Count(0f), 20);
    }

    [TestMethod]
    public void OneThreshold_SaysWhichIsMissing()
    {
        using var blobs = new Blobs();
        using var fixture = new PipelineFixture { Source = blobs.ModelPath };

        fixture.Run(("Pruning", "GradientStability"), ("GradientStdThreshold", "0.1"), ("TrainingData", blobs.DataPath));

        Assert.Contains("GradientStdThreshold needs GradientMeanThreshold", fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error).Message);
    }

    [TestMethod]
    public void Distillation_GivesTheSameBytesEachTime()
    {
        using var blobs = new Blobs();
        using var fixture = new PipelineFixture { Source = blobs.ModelPath };
        var results = new HashSet<string>(StringComparer.Ordinal);

        for (int run = 0; run < 8; run++)
        {
            fixture.Run(1 + (run % 2), ("Pruning", "Magnitude"), ("Sparsity", "0.4"), ("TrainingData", blobs.DataPath), ("FineTuneEpochs", "3"), ("FineTuneLoss", "Distillation"), ("Quantization", "None"));
            results.Add(Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(fixture.Output))));
        }

        Assert.HasCount(1, results);
    }

    [TestMethod]
    public void Distillation_NeedsNoLabels()
    {
        using var blobs = new Blobs(labels: false);
        using var fixture = new PipelineFixture { Source = blobs.ModelPath };

        double Sqnr(string rate) => fixture.Run(
            ("Pruning", "Magnitude"), ("Sparsity", "0.4"), ("TrainingData", blobs.DataPath), ("FineTuneEpochs", "12"), ("LearningRate", rate), ("Quantization", "None")).Report!.Fidelity!.SqnrDb!.Value;
        double tuned = Sqnr("0.01"), pruned = Sqnr("1e-9");

        Assert.IsGreaterThan(pruned + 3, tuned);
    }

    [TestMethod]
    [DataRow("MCB1004", "Pruning=GradientStability;Sparsity=0.5")]
    [DataRow("MCB1004", "FineTuneEpochs=2")]
    [DataRow("MCB1004", "Pruning=GradientStability;Sparsity=0.5;GradientMeanThreshold=0.1;GradientStdThreshold=0.1;TrainingData=$data")]
    [DataRow("MCB1004", "Pruning=GradientStability;GradientMeanThreshold=0.1;TrainingData=$data")]
    [DataRow("MCB1004", "Pruning=GradientStability;PruningPattern=2:4;GradientStdThreshold=0.1;TrainingData=$data")]
    [DataRow("MCB3021", "Pruning=Taylor;Sparsity=0.5;GradientIterations=301;TrainingData=$data")]
    [DataRow("MCB4065", "Pruning=GradientStability;GradientMeanThreshold=100;GradientStdThreshold=100;TrainingData=$data")]
    public void WhatCannotWork_IsOneErrorAndLeavesTheEarlierResult(string code, string settings)
    {
        using var blobs = new Blobs();
        using var fixture = new PipelineFixture { Source = blobs.ModelPath };
        Directory.CreateDirectory(Path.GetDirectoryName(fixture.Output)!);
        File.WriteAllText(fixture.Output, "earlier");

        var outcome = fixture.Run([.. settings.Replace("$data", blobs.DataPath, StringComparison.Ordinal).Split(';').Select(s => s.Split('=', 2)).Select(p => (p[0], p[1]))]);

        Assert.AreEqual(CompressionStatus.Failed, outcome.Status);
        Assert.AreEqual(code, fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error).Code);
        Assert.AreEqual("earlier", File.ReadAllText(fixture.Output));
    }

    [TestMethod]
    public void Distillation_LeavesLabelsOutThatItDoesNotNeed()
    {
        using var blobs = new Blobs(classes: 4, open: false);
        using var fixture = new PipelineFixture { Source = blobs.ModelPath };

        var outcome = fixture.Run(("Pruning", "Magnitude"), ("Sparsity", "0.4"), ("TrainingData", blobs.DataPath), ("FineTuneEpochs", "2"), ("FineTuneLoss", "Distillation"), ("Quantization", "None"));

        Assert.AreEqual(CompressionStatus.Compressed, outcome.Status);
        var warning = fixture.Diagnostics.Single(d => d.Code == "MCB3010");
        Assert.AreEqual(DiagnosticSeverity.Warning, warning.Severity);
        Assert.Contains("left out", warning.Message);
    }

    /// <summary>Labels that no output has scores for do not make distillation look for scores.</summary>
    [TestMethod]
    public void Distillation_ComparesOutputsAsTheyAre_WithoutClasses()
    {
        using var blobs = new Blobs();
        using var folder = new ModelCompression.Testing.TemporaryFolder();
        string path = Path.Combine(folder.Path, "map.onnx");
        using (var model = OnnxReader.Read(blobs.ModelPath))
        {
            var y = model.Graph.Outputs[0];
            var shape = model.Graph.AddInitializer("shape", ModelCompression.Onnx.Tensors.Tensor.Create(ModelCompression.Onnx.Tensors.DataType.Int64, [3], new long[] { 1, -1, 3 }));
            var map = model.Graph.AddNode("Reshape", [y, shape], ["map"]).Outputs[0]!;
            model.Graph.TrimOutputs(0);
            model.Graph.AddOutput(map);
            OnnxWriter.Write(model, path);
        }

        using var fixture = new PipelineFixture { Source = path };
        var outcome = fixture.Run(("Pruning", "Magnitude"), ("Sparsity", "0.4"), ("TrainingData", blobs.DataPath), ("FineTuneEpochs", "2"), ("FineTuneLoss", "Distillation"), ("Quantization", "None"));

        Assert.AreEqual(CompressionStatus.Compressed, outcome.Status, string.Join('\n', fixture.Diagnostics.Select(d => d.Message)));
    }

    [TestMethod]
    public void LabelsOutsideTheClasses_AreAnError()
    {
        using var blobs = new Blobs(classes: 4, open: false);
        using var fixture = new PipelineFixture { Source = blobs.ModelPath };

        fixture.Run(("Pruning", "Taylor"), ("Sparsity", "0.5"), ("TrainingData", blobs.DataPath));

        Assert.AreEqual("MCB3010", fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error).Code);
    }
}
