using System.Globalization;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Pipeline;
using ModelCompression.Reports;

namespace ModelCompression.Tests.Pipeline;

[TestClass]
public sealed class CompressionPipelineTests
{
    [TestMethod]
    [DataRow("RoundToNearest", false)]
    [DataRow("Gptq", true)]
    [DataRow("AdaRound", true)]
    public void Report_SaysWhenCodesWereChosenForTheSamplesItMeasuresOn(string algorithm, bool isFitted)
    {
        using var fixture = new PipelineFixture();

        var outcome = fixture.Run(("WeightBits", "3"), ("QuantizationAlgorithm", algorithm), ("CalibrationData", PipelineFixture.SampleData));

        Assert.AreEqual(isFitted, outcome.Report!.FidelityReason?.StartsWith("weights were fitted to these samples", StringComparison.Ordinal) == true, outcome.Report.FidelityReason);
        Assert.AreEqual(isFitted, outcome.Report.Layers.Any(l => l.Action.EndsWith(", " + algorithm, StringComparison.Ordinal)), string.Join('\n', outcome.Report.Layers));
    }

    [TestMethod]
    public void ReportThatCannotBeWritten_LeavesTheEarlierResultAndNothingHalfWritten()
    {
        using var fixture = new PipelineFixture();
        Assert.AreEqual(CompressionStatus.Compressed, fixture.Run().Status, fixture.Told);
        byte[] earlier = File.ReadAllBytes(fixture.Output);
        string page = fixture.Output + ".report.html";
        File.Delete(page);
        Directory.CreateDirectory(page);

        Assert.AreEqual(CompressionStatus.Failed, fixture.Run(("WeightBits", "4")).Status);

        Assert.Contains("fashion.onnx", fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error).Message);
        CollectionAssert.AreEqual(earlier, File.ReadAllBytes(fixture.Output));
        string[] left = [.. Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(fixture.Output)!).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal)];
        CollectionAssert.AreEqual(new[] { "fashion.onnx", "fashion.onnx.report.html", "fashion.onnx.report.json", "fashion.onnx.report.md" }, left);
    }

    [TestMethod]
    public void PrunedWeights_CountAsZerosThoughTheyAreStoredPacked()
    {
        using var fixture = new PipelineFixture();

        var report = fixture.Run(("Pruning", "Magnitude"), ("Sparsity", "0.9"), ("Quantization", "None")).Report!;

        Assert.IsLessThan(0.11 * report.Original.NonZeroParameters, report.Compressed.NonZeroParameters);
        Assert.IsLessThan(report.Original.Bytes / 4, report.Compressed.Bytes);
    }

    [TestMethod]
    [DataRow("Auto")]
    [DataRow("QOperator")]
    public void PrunedWeights_TakeFewerBytesInBinary16(string format)
    {
        using var fixture = new PipelineFixture();
        long floats = fixture.Run(("Pruning", "Magnitude"), ("Sparsity", "0.8"), ("Quantization", "None")).Report!.Compressed.Bytes;

        var report = fixture.Run(("Pruning", "Magnitude"), ("Sparsity", "0.8"), ("Quantization", "Float16"), ("QuantizationFormat", format)).Report!;

        // Of 32 + 5 bits per weight that is kept, 16 + 5 are left.
        Assert.IsLessThan(0.6 * floats, report.Compressed.Bytes);
        Assert.IsLessThan(0.21 * report.Original.NonZeroParameters, report.Compressed.NonZeroParameters);
    }

    [TestMethod]
    public void ResultFarFromTheOriginal_IsWarnedAboutUnlessAMetricJudges()
    {
        using var fixture = new PipelineFixture();
        (string, string)[] settings = [("Pruning", "Magnitude"), ("PruningPattern", "Channel"), ("Sparsity", "0.9")];

        Assert.IsLessThan(10, fixture.Run(settings).Report!.Fidelity!.SqnrDb!.Value);
        Assert.Contains(d => d.Code == "MCB4045" && d.Severity == DiagnosticSeverity.Warning, fixture.Diagnostics);
        fixture.Diagnostics.Clear();
        fixture.Run([.. settings, ("ValidationData", PipelineFixture.SampleData)]);
        Assert.DoesNotContain(d => d.Code == "MCB4045", fixture.Diagnostics);
    }

    [TestMethod]
    public void DropOfSqnrAgainstTheOriginalItself_IsRefusedBeforeAnyWork()
    {
        using var fixture = new PipelineFixture();

        Assert.AreEqual(CompressionStatus.Failed, fixture.Run(("ValidationData", PipelineFixture.SampleData), ("Metric", "Sqnr"), ("MaxMetricDrop", "40")).Status);

        var error = fixture.Diagnostics.Single();
        Assert.AreEqual("MCB1004", error.Code);
        Assert.Contains("MinMetric", error.Message);
        Assert.IsTrue(fixture.Run(("ValidationData", PipelineFixture.SampleData), ("Metric", "Sqnr"), ("MinMetric", "20")).Report!.Validation!.Passed);
    }

    [TestMethod]
    public void OriginalThatGivesOnlyNaN_IsWarnedAbout()
    {
        using var fixture = new PipelineFixture();
        using (var model = OnnxReader.Read(fixture.Source))
        {
            foreach (var bias in model.Graph.Initializers.Where(w => w.TryGetConstant(out var t) && t.Rank == 1).ToList())
            {
                bias.TryGetConstant(out var tensor);
                bias.SetConstant(Tensor.Float(tensor!.Dims.ToArray(), [.. Enumerable.Repeat(float.NaN, (int)tensor.ElementCount)]));
            }

            OnnxWriter.Write(model, fixture.Source + ".nan");
        }

        File.Move(fixture.Source + ".nan", fixture.Source, overwrite: true);

        var report = fixture.Run().Report!;

        Assert.IsNull(report.Fidelity);
        Assert.AreEqual("the original's own outputs are NaN or infinite", report.FidelityReason);
        Assert.AreEqual(DiagnosticSeverity.Warning, fixture.Diagnostics.Single(d => d.Code == "MCB4047").Severity);
    }

    [TestMethod]
    public void Dynamic_ComputesWithIntegersAndKeepsTheAccuracy()
    {
        using var fixture = new PipelineFixture();

        var report = fixture.Run(("Quantization", "Dynamic"), ("ValidationData", PipelineFixture.SampleData)).Report!;

        Assert.Contains(l => l.Action.Contains("MatMulInteger", StringComparison.Ordinal), report.Layers, fixture.Told);
        Assert.IsLessThan(report.Original.Bytes / 3.5, report.Compressed.Bytes);
        Assert.IsLessThan(0.003, Math.Abs(report.Validation!.Drop!.Value));
        byte[] first = File.ReadAllBytes(fixture.Output);
        fixture.Run(threads: 1, ("Quantization", "Dynamic"), ("ValidationData", PipelineFixture.SampleData));
        CollectionAssert.AreEqual(first, File.ReadAllBytes(fixture.Output));
    }

    [TestMethod]
    public void BiasCorrection_RecoversAccuracyOfThreeBitWeights()
    {
        using var fixture = new PipelineFixture();
        (string, string)[] settings = [("WeightBits", "3"), ("QuantizationFormat", "Folded"), ("QuantizationGranularity", "Tensor"), ("CalibrationData", PipelineFixture.SampleData), ("CalibrationSamples", "64"), ("ValidationData", PipelineFixture.SampleData)];

        double without = fixture.Run([.. settings, ("BiasCorrection", "false")]).Report!.Validation!.Compressed!.Value;
        var corrected = fixture.Run(settings).Report!;

        Assert.Contains(e => e.Pass == "CorrectBiases" && e.Applied, corrected.Edits, "It is the default where there is calibration data.");
        Assert.IsGreaterThan(without + 0.005, corrected.Validation!.Compressed!.Value);
    }

    [TestMethod]
    public void Result_SaysWhereItComesFromWithoutPathsOrTimes()
    {
        using var fixture = new PipelineFixture();

        var report = fixture.Run(("ValidationData", PipelineFixture.SampleData)).Report!;

        using var model = OnnxReader.Read(fixture.Output);
        var metadata = model.Metadata.Where(m => m.Key.StartsWith("modelcompression.", StringComparison.Ordinal)).ToDictionary(m => m.Key, m => m.Value);
        Assert.AreEqual(report.Original.Sha256, metadata["modelcompression.source_sha256"]);
        Assert.AreEqual(ToolVersion.Current, metadata["modelcompression.version"]);
        StringAssert.Contains(metadata["modelcompression.settings"], "Quantization=WeightOnly");
        foreach (string file in Directory.EnumerateFiles(Path.GetDirectoryName(fixture.Output)!))
            Assert.IsFalse(File.ReadAllText(file).Contains(fixture.Folder, StringComparison.Ordinal), file);
    }

    [TestMethod]
    public void Result_IsTheSameWhereverTheDataLies()
    {
        using var fixture = new PipelineFixture();
        string renamed = Path.Combine(fixture.Folder, "other-name.npz");
        File.Copy(PipelineFixture.SampleData, renamed);

        string first = fixture.Run(("CalibrationData", PipelineFixture.SampleData), ("CalibrationSamples", "16")).Report!.Compressed.Sha256;
        string second = fixture.Run(("CalibrationData", renamed), ("CalibrationSamples", "16")).Report!.Compressed.Sha256;

        Assert.AreEqual(first, second);
        using var model = OnnxReader.Read(fixture.Output);
        StringAssert.Contains(model.Metadata.Single(m => m.Key == "modelcompression.settings").Value, "CalibrationData=given");
    }

    [TestMethod]
    public void Result_IsTheSameForAnyThreadsFolderAndCulture()
    {
        var before = CultureInfo.CurrentCulture;
        var seen = new HashSet<string>();
        try
        {
            foreach (var (threads, culture) in new[] { (1, "en-US"), (2, "tr-TR"), (4, "de-DE") })
            {
                CultureInfo.CurrentCulture = new CultureInfo(culture);
                using var fixture = new PipelineFixture();
                fixture.Run(threads, ("Pruning", "Magnitude"), ("Sparsity", "0.5"), ("ValidationData", PipelineFixture.SampleData));
                seen.Add(Convert.ToHexString(File.ReadAllBytes(fixture.Output)) + File.ReadAllText(fixture.Output + ".report.json"));
            }
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }

        Assert.HasCount(1, seen);
    }

    [TestMethod]
    public void PrunedAndQuantized_IsMuchSmallerAndSaysThatItIsNotFaster()
    {
        using var fixture = new PipelineFixture();

        var report = fixture.Run(("Pruning", "Magnitude"), ("Sparsity", "0.9")).Report!;

        Assert.IsLessThan(report.Original.Bytes * 0.12, report.Compressed.Bytes);
        Assert.AreEqual(0.1, (double)report.Compressed.NonZeroParameters / report.Compressed.Parameters, 0.01);
        Assert.AreEqual(0.9, report.Pruning.Sparsity, 0.02);
        Assert.IsTrue(fixture.Diagnostics.Any(d => d.Severity == DiagnosticSeverity.Message && d.Code.StartsWith("MCB40", StringComparison.Ordinal)), fixture.Told);
    }

    /// <summary>As exporters write it that keep initializers among the inputs: a session's inputs are the same with and without.</summary>
    [TestMethod]
    [DataRow("Channel", "8", 4)]
    [DataRow("Block", "4", 4)]
    [DataRow("Channel", "8", 3)]
    public void WeightThatIsAGraphInput_IsCompressedAndNoLongerReplaceable(string granularity, string bits, int irVersion)
    {
        using var fixture = new PipelineFixture();
        string weight;
        using (var model = OnnxReader.Read(fixture.Source))
        {
            model.IrVersion = irVersion;
            foreach (var value in model.Graph.Initializers.Where(v => !v.IsGraphInput).ToArray())
            {
                var tensor = value.Initializer!;
                var listed = model.Graph.AddInput(value.Name + "_in", new TensorType(tensor.DataType, Shape.Of(tensor.Dims)));
                model.Graph.SetInitializer(listed, tensor);
                value.ReplaceAllUsesWith(listed);
                model.Graph.RemoveInitializer(value);
            }

            weight = model.Graph.Initializers.MaxBy(v => v.Initializer!.ByteLength)!.Name;
            fixture.Source = Path.Combine(fixture.Folder, "listed.onnx");
            OnnxWriter.Write(model, fixture.Source);
        }

        var outcome = fixture.Run(("Quantization", "WeightOnly"), ("WeightBits", bits), ("QuantizationGranularity", granularity));

        Assert.AreEqual(CompressionStatus.Compressed, outcome.Status, fixture.Told);
        string[] reasons = [.. outcome.Report!.Layers.Where(l => l.Action.StartsWith("weight-only", StringComparison.Ordinal)).Select(l => l.Reason)];
        Assert.AreEqual(irVersion >= 4, reasons.All(r => r.EndsWith("was also a graph input that callers could pass another weight for; it no longer is", StringComparison.Ordinal)), string.Join(" | ", reasons));
        using var result = OnnxReader.Read(fixture.Output);
        CollectionAssert.DoesNotContain(result.Graph.Inputs.Select(i => i.Name).ToArray(), weight);
    }

    [TestMethod]
    public void NothingToGain_ShipsTheOriginalBytes()
    {
        using var fixture = new PipelineFixture();
        fixture.Run();
        File.Copy(fixture.Output, fixture.Source, overwrite: true);
        byte[] source = File.ReadAllBytes(fixture.Source);

        var outcome = fixture.Run();

        Assert.AreEqual(CompressionStatus.Original, outcome.Status);
        Assert.IsNotNull(outcome.Report!.StatusReason);
        CollectionAssert.AreEqual(source, File.ReadAllBytes(fixture.Output));
    }

    [TestMethod]
    [DataRow("MaxMetricDrop", "-0.5", "MCB5001")]
    [DataRow("MinMetric", "0.99", "MCB5002")]
    [DataRow("MaxSize", "10%", "MCB5003")]
    public void FailedGate_IsACodedErrorAndKeepsTheEarlierResult(string gate, string limit, string code)
    {
        using var fixture = new PipelineFixture();
        fixture.Run();
        byte[] earlier = File.ReadAllBytes(fixture.Output);

        var outcome = fixture.Run(("ValidationData", PipelineFixture.SampleData), (gate, limit), ("QuantizationScheme", "Asymmetric"));

        Assert.AreEqual(CompressionStatus.Failed, outcome.Status);
        Assert.AreEqual(code, fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error).Code);
        CollectionAssert.AreEqual(earlier, File.ReadAllBytes(fixture.Output));
        Assert.IsFalse(Directory.Exists(fixture.Output + ".staging"));
    }

    [TestMethod]
    public void FailedGate_ShipsTheOriginalOrTheResultAsAsked()
    {
        using var fixture = new PipelineFixture();

        Assert.AreEqual(CompressionStatus.Original, fixture.Run(("MaxSize", "10%"), ("OnFailure", "KeepOriginal")).Status);
        CollectionAssert.AreEqual(File.ReadAllBytes(fixture.Source), File.ReadAllBytes(fixture.Output));
        Assert.AreEqual(DiagnosticSeverity.Warning, fixture.Diagnostics.Single(d => d.Code == "MCB5003").Severity);

        Assert.AreEqual(CompressionStatus.Compressed, fixture.Run(("MaxSize", "10%"), ("OnFailure", "Warn")).Status);
        Assert.IsFalse(fixture.Run(("MaxSize", "10%"), ("OnFailure", "Warn")).Report!.Gates.Single().Passed);
    }

    [TestMethod]
    public void BadModel_IsOneErrorAndKeepsTheEarlierResult()
    {
        using var fixture = new PipelineFixture();
        fixture.Run();
        byte[] earlier = File.ReadAllBytes(fixture.Output);
        File.WriteAllBytes(fixture.Source, File.ReadAllBytes(fixture.Source)[..5000]);

        Assert.AreEqual(CompressionStatus.Failed, fixture.Run().Status);

        var error = fixture.Diagnostics.Single();
        StringAssert.StartsWith(error.Code, "MCB2");
        Assert.AreEqual(fixture.Source, error.File);
        CollectionAssert.AreEqual(earlier, File.ReadAllBytes(fixture.Output));
    }

    [TestMethod]
    public void Cancelled_LeavesNothingBehind()
    {
        using var fixture = new PipelineFixture();
        Directory.CreateDirectory(Path.GetDirectoryName(fixture.Output)!);
        using var cancellation = new CancellationTokenSource();
        cancellation.Cancel();

        Assert.Throws<OperationCanceledException>(() => new CompressionPipeline(_ => { }).Run(
            new CompressionRequest { SourcePath = fixture.Source, Identity = "m", OutputPath = fixture.Output, Item = new("m", new Dictionary<string, string>()) }, cancellation.Token));

        Assert.IsEmpty(Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(fixture.Output)!));
    }

    [TestMethod]
    public void InfiniteMetric_IsNullInTheReport()
    {
        using var fixture = new PipelineFixture();

        var validation = fixture.Run(("ValidationData", PipelineFixture.SampleData), ("Metric", "Sqnr")).Report!.Validation!;

        Assert.IsNull(validation.Original, "a model does not differ from itself");
        Assert.IsGreaterThan(30, validation.Compressed!.Value);
        StringAssert.Contains(File.ReadAllText(fixture.Output + ".report.json"), "\"original\": null");
    }

    [TestMethod]
    public void Reports_AreReadableInEveryFormat()
    {
        using var fixture = new PipelineFixture();

        var outcome = fixture.Run(("ValidationData", PipelineFixture.SampleData));

        Assert.HasCount(3, outcome.ReportPaths);
        var json = JsonReport.Deserialize(File.ReadAllBytes(fixture.Output + ".report.json"));
        Assert.AreEqual("Models/fashion.onnx", json.Model);
        Assert.AreEqual(outcome.Report!.Compressed, json.Compressed);
        StringAssert.Contains(File.ReadAllText(fixture.Output + ".report.html"), "Models/fashion.onnx");
        StringAssert.Contains(File.ReadAllText(fixture.Output + ".report.md"), "| bytes |");
        StringAssert.StartsWith(SummaryLine.Format(json), "fashion.onnx: 2.18 MB -> 0.");
    }
}
