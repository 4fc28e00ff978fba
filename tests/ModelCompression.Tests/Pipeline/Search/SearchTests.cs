using System.Text.Json;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Pipeline.Locking;
using ModelCompression.Pipeline.Search;

namespace ModelCompression.Tests.Pipeline.Search;

[TestClass]
public sealed class SearchTests
{
    private static readonly (string, string)[] Goal =
        [("Strategy", "Auto"), ("ValidationData", PipelineFixture.SampleData), ("MaxMetricDrop", "0.01"), ("SearchTrials", "6")];

    [TestMethod]
    public void Search_SmallerThanFixedSettings_WithinTheGate_AndTheSameAgain()
    {
        using var fixture = new PipelineFixture();
        var best = new[] { "8", "4", "3" }
            .Select(bits => fixture.Run(("Quantization", "WeightOnly"), ("WeightBits", bits), ("ValidationData", PipelineFixture.SampleData), ("MaxMetricDrop", "0.01")))
            .Where(o => o.Status == CompressionStatus.Compressed).Min(o => o.Report!.Compressed.Bytes);

        var outcome = fixture.Run(Goal);

        Assert.AreEqual(CompressionStatus.Compressed, outcome.Status, string.Join('\n', fixture.Diagnostics));
        var report = outcome.Report!;
        Assert.IsLessThanOrEqualTo(0.01, report.Validation!.Drop!.Value);
        Assert.IsLessThan(0.75 * best, report.Compressed.Bytes);
        Assert.HasCount(6, report.Trials!);
        Assert.AreEqual(report.Compressed.Bytes, report.Trials!.Single(t => t.Chosen).Bytes);
        Assert.AreEqual(report.Trials!.Where(t => t.Passed).Min(t => t.Bytes), report.Compressed.Bytes);

        Directory.Delete(TrialStore.FolderOf(fixture.Output), recursive: true);
        Assert.AreEqual(report.Compressed.Sha256, fixture.Run(threads: 1, Goal).Report!.Compressed.Sha256);
    }

    [TestMethod]
    public void Search_StoppedInTheMiddle_EndsWithTheSameAnswer_AndRepeatsNoTrial()
    {
        using var whole = new PipelineFixture();
        string expected = whole.Run(Goal).Report!.Compressed.Sha256;
        using var fixture = new PipelineFixture();
        using var stop = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(() => Run(fixture, p => CancelAt(p, 3, stop), stop.Token));
        var kept = Kept(fixture, "trial-*");
        Assert.HasCount(3, kept);

        var outcome = Run(fixture, _ => { }, default);

        Assert.AreEqual(expected, outcome.Report!.Compressed.Sha256);
        var all = Kept(fixture, "trial-*");
        Assert.HasCount(6, all);
        foreach (var (file, time) in kept) Assert.AreEqual(time, all[file], file);
    }

    [TestMethod]
    public void ChosenSettings_Pasted_GiveTheSameBytes()
    {
        using var fixture = new PipelineFixture();
        var found = fixture.Run(Goal).Report!;
        var chosen = found.Search!.Chosen;
        var item = chosen.Settings.Append(new("ValidationData", PipelineFixture.SampleData)).Append(new("MaxMetricDrop", "0.01")).ToDictionary(s => s.Key, s => s.Value);
        var rules = chosen.Rules.Select((r, i) => new SettingsSource($"rule {i}", r.Settings.Append(new("Nodes", string.Join(';', r.Nodes))).ToDictionary(s => s.Key, s => s.Value))).ToArray();

        var pasted = new CompressionPipeline(fixture.Diagnostics.Add).Run(Request(fixture) with { Item = new SettingsSource("item", item), Rules = rules });

        Assert.AreEqual(found.Compressed.Sha256, pasted.Report!.Compressed.Sha256);
    }

    [TestMethod]
    public void LockedChoice_IsTakenWithoutASearch_UntilAnInputChanges()
    {
        using var fixture = new PipelineFixture();
        var first = new CompressionPipeline(fixture.Diagnostics.Add).Run(Request(fixture) with { Lock = new ModelLock("models.lock.json", null, false) });
        Directory.Delete(TrialStore.FolderOf(fixture.Output), recursive: true);
        var entry = JsonSerializer.Deserialize<LockedModel>(JsonSerializer.Serialize(first.Locked!))!;

        var locked = new CompressionPipeline(fixture.Diagnostics.Add).Run(Request(fixture) with { Lock = new ModelLock("models.lock.json", entry, true) });

        Assert.AreEqual(first.Report!.Compressed.Sha256, locked.Report!.Compressed.Sha256);
        Assert.IsNull(locked.Report.Trials);
        Assert.IsFalse(Directory.Exists(TrialStore.FolderOf(fixture.Output)));
        CollectionAssert.AreEqual(entry.Chosen!.Rules.SelectMany(r => r.Nodes).ToArray(), locked.Locked!.Chosen!.Rules.SelectMany(r => r.Nodes).ToArray());

        var changed = Request(fixture);
        changed = changed with { Lock = new ModelLock("models.lock.json", entry, false), Item = changed.Item with { Values = new Dictionary<string, string>(changed.Item.Values) { ["MaxMetricDrop"] = "0.005" } } };
        Assert.IsNotNull(new CompressionPipeline(fixture.Diagnostics.Add).Run(changed).Report!.Trials);
    }

    [TestMethod]
    public void Search_ImpossibleGates_NamesTheClosestAndWhatStopsThem()
    {
        using var fixture = new PipelineFixture();

        var outcome = fixture.Run([.. Goal, ("MaxSize", "20KB")]);

        Assert.AreEqual(CompressionStatus.Failed, outcome.Status);
        var error = fixture.Diagnostics.Single(d => d.Code == "MCB5020");
        StringAssert.Contains(error.Message, "MaxSize is 20000, reached");
        Assert.IsFalse(File.Exists(fixture.Output));
    }

    [TestMethod]
    public void Search_WithoutData_KeepsTheSignalToNoiseItAnnounces()
    {
        using var fixture = new PipelineFixture();

        var outcome = fixture.Run(("Strategy", "Auto"), ("SearchTrials", "6"));

        var announced = fixture.Diagnostics.Single(d => d.Code == "MCB5022");
        Assert.AreEqual(DiagnosticSeverity.Warning, announced.Severity);
        StringAssert.Contains(announced.Message, "25 dB");
        Assert.IsGreaterThanOrEqualTo(24.5, outcome.Report!.Fidelity!.SqnrDb!.Value);
        Assert.IsLessThan(0.2 * outcome.Report.Original.Bytes, outcome.Report.Compressed.Bytes);
    }

    [TestMethod]
    public void Search_WithFolds_ReportsTheLossOnHeldOutSamples()
    {
        using var fixture = new PipelineFixture();

        var report = fixture.Run([.. Goal, ("CrossValidationFolds", "4")]).Report!;

        var figures = report.Search!.CrossValidation!;
        Assert.AreEqual(4, figures.Folds);
        Assert.IsLessThanOrEqualTo(0.01, figures.MeanDrop!.Value);
        Assert.IsGreaterThan(0, figures.Spread!.Value);
        Assert.IsLessThanOrEqualTo(0.01 - figures.Margin, report.Validation!.Drop!.Value);
    }

    private static CompressionRequest Request(PipelineFixture fixture)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(fixture.Output)!);
        return new CompressionRequest
        {
            SourcePath = fixture.Source,
            Identity = "Models/fashion.onnx",
            OutputPath = fixture.Output,
            Item = new SettingsSource("CompressModel 'Models/fashion.onnx'", Goal.ToDictionary(s => s.Item1, s => s.Item2)),
            Threads = 2,
        };
    }

    private static CompressionOutcome Run(PipelineFixture fixture, Action<RunProgress> progress, CancellationToken cancellation) =>
        new CompressionPipeline(fixture.Diagnostics.Add).Run(Request(fixture) with { Progress = progress }, cancellation);

    private static void CancelAt(RunProgress progress, int trial, CancellationTokenSource stop)
    {
        if (progress.Stage.StartsWith("trial", StringComparison.Ordinal) && progress.Done == trial) stop.Cancel();
    }

    private static Dictionary<string, DateTime> Kept(PipelineFixture fixture, string pattern) =>
        Directory.EnumerateFiles(TrialStore.FolderOf(fixture.Output), pattern, SearchOption.AllDirectories).ToDictionary(f => f, File.GetLastWriteTimeUtc);
}
