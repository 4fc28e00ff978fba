using System.Diagnostics;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Pipeline.Search;

namespace ModelCompression.Tests.Pipeline.Search;

/// <summary>What a search tries besides codes and pruning, what judges it and what ends it.</summary>
[TestClass]
public sealed class SearchMethodsTests
{
    [TestMethod]
    public void Recoveries_AreTriedWithTheDataTheyNeed_AndGiveTheSameBytesAgain()
    {
        using var fixture = new SearchFixture();
        (string, string)[] settings =
            [("ValidationData", fixture.DataPath), ("CalibrationData", fixture.DataPath), ("TrainingData", fixture.DataPath), ("Metric", "Cosine"), ("MaxMetricDrop", "0.03"), ("SearchTrials", "30")];

        var report = fixture.Search(settings).Report!;

        var trials = report.Trials!;
        foreach (string recovery in (string[])["fine-tuned", "Gptq", "AdaRound", "Hqq", "25 % of the channels removed"])
        {
            var tried = trials.Where(t => t.Name.EndsWith(recovery, StringComparison.Ordinal)).ToArray();
            Assert.IsNotEmpty(tried, recovery);
            Assert.IsTrue(tried.All(t => t.Bytes > 0 && t.Metric is > 0), $"{recovery}: {string.Join("; ", tried.Select(t => t.Problem))}");
        }

        Assert.IsLessThanOrEqualTo(0.03 + 1e-9, report.Validation!.Drop!.Value);
        Assert.AreEqual(trials.Where(t => t.Passed).Min(t => t.Bytes), report.Compressed.Bytes);
        Directory.Delete(TrialStore.FolderOf(fixture.Pipeline.Output), recursive: true);
        Assert.AreEqual(report.Compressed.Sha256, fixture.Search(settings).Report!.Compressed.Sha256);
    }

    [TestMethod]
    public void BiasCorrection_IsPartOfEveryTrialWithCalibrationData()
    {
        using var fixture = new SearchFixture(32);
        (string, string)[] settings = [("ValidationData", fixture.DataPath), ("CalibrationData", fixture.DataPath), ("Metric", "Cosine"), ("MaxMetricDrop", "0.1"), ("SearchTrials", "1"), ("WeightBits", "4")];

        double? with = fixture.Search(settings).Report!.Trials!.Single().SqnrDb;
        double? without = fixture.Search([.. settings, ("BiasCorrection", "false")]).Report!.Trials!.Single().SqnrDb;

        Assert.AreNotEqual(without!.Value, with!.Value, 0.005);
    }

    [TestMethod]
    public void Latency_DecidesByTheMeasuredRatio_AndKeepsIt()
    {
        using var fixture = new SearchFixture(32);
        (string, string)[] settings = [("ValidationData", fixture.DataPath), ("CalibrationData", fixture.DataPath), ("Objective", "Latency"), ("Metric", "Cosine"), ("MaxMetricDrop", "0.1"), ("SearchTrials", "6")];

        var report = fixture.Search(settings).Report!;

        var trials = report.Trials!;
        Assert.HasCount(6, trials);
        Assert.IsTrue(trials.All(t => t.LatencyRatio > 0));
        Assert.AreEqual(trials.Where(t => t.Passed).Min(t => t.LatencyRatio), trials.Single(t => t.Chosen).LatencyRatio);
        Assert.IsGreaterThan(0, report.Latency!.Ratio);
        // Measured once: a second search decides by the ratios of the first, whatever the machine does meanwhile.
        var again = fixture.Search(settings).Report!;
        Assert.AreEqual(report.Compressed.Sha256, again.Compressed.Sha256);
        CollectionAssert.AreEqual(trials.Select(t => t.LatencyRatio).ToArray(), again.Trials!.Select(t => t.LatencyRatio).ToArray());
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void Program_JudgesTrials()
    {
        using var fixture = new SearchFixture(32);
        string calls = Script(fixture, "if [ $size -gt 25000 ]; then echo '{\"metric\": 0.1, \"lowerIsBetter\": true, \"name\": \"WER\"}'; else echo '{\"metric\": 0.3, \"lowerIsBetter\": true, \"name\": \"WER\"}'; fi");

        var report = fixture.Search(("MetricCommand", "sh ./score.sh"), ("CalibrationData", fixture.DataPath), ("MaxMetricDrop", "0.1"), ("SearchTrials", "8")).Report!;

        Assert.AreEqual("WER", report.Validation!.Metric);
        Assert.IsInRange(25000, 30000, report.Compressed.Bytes);
        Assert.IsTrue(report.Trials!.All(t => t.Passed == t.Bytes > 25000), string.Join("; ", report.Trials!.Select(t => $"{t.Bytes} {t.Passed}")));
        Assert.Contains(t => !t.Passed && t.Problem == "MaxMetricDrop is 0.1, reached 0.2", report.Trials!);
        // The original once for the search, each trial once, and both for the result.
        Assert.HasCount(1 + 8 + 2, File.ReadAllLines(calls));
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void ProgramThatFailsOnATrial_StopsThatTrialOnly_AndIsAskedAgain()
    {
        using var fixture = new SearchFixture(32);
        (string, string)[] settings = [("MetricCommand", "sh ./score.sh"), ("CalibrationData", fixture.DataPath), ("MaxMetricDrop", "0.1"), ("SearchTrials", "6"), ("BiasCorrection", "false")];
        Script(fixture, "if [ $size -gt 25000 ]; then echo '{\"metric\": 0.9}'; else echo 'out of memory'; exit 3; fi");

        var report = fixture.Search(settings).Report!;

        var failed = report.Trials!.Where(t => t.Problem.StartsWith("MCB5030: MetricCommand ended with exit code 3", StringComparison.Ordinal)).ToArray();
        Assert.IsNotEmpty(failed);
        Assert.HasCount(report.Trials!.Count - failed.Length, Directory.GetFiles(TrialStore.FolderOf(fixture.Pipeline.Output), "trial-*", SearchOption.AllDirectories));
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    [DataRow("sh -c 'exit 4' #", "MCB5030")]
    [DataRow("echo nothing #", "MCB5031")]
    [DataRow("sleep 30 #", "MCB5032")]
    public void ProgramThatFailsOnTheOriginal_IsACodedErrorBeforeAnyTrial(string command, string code)
    {
        using var fixture = new SearchFixture(8);

        var outcome = fixture.Search(("MetricCommand", command), ("MetricTimeLimit", "0:00:01"), ("CalibrationData", fixture.DataPath), ("MinMetric", "0.1"));

        Assert.AreEqual(CompressionStatus.Failed, outcome.Status);
        Assert.AreEqual(code, fixture.Pipeline.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error).Code);
    }

    [TestMethod]
    public void ProgramWithoutALimit_IsACodedError()
    {
        using var fixture = new SearchFixture(8);

        Assert.AreEqual(CompressionStatus.Failed, fixture.Search(("MetricCommand", "true"), ("CalibrationData", fixture.DataPath)).Status);

        var error = fixture.Pipeline.Diagnostics.Single();
        Assert.AreEqual("MCB5023", error.Code);
        Assert.Contains("set MaxMetricDrop or MinMetric", error.Message);
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void TimeLimit_EndsTheTrialThatIsUnderWay_AndTheBestSoFarIsTaken()
    {
        using var fixture = new SearchFixture(8);
        Script(fixture, "[ $size -gt 24000 ] || sleep 60; echo '{\"metric\": 0.9}'");
        var clock = Stopwatch.StartNew();

        // The item's own settings give 28 kB, which the program judges at once; every smaller candidate takes a minute.
        var report = fixture.Search(("MetricCommand", "sh ./score.sh {model}; true"), ("CalibrationData", fixture.DataPath), ("MinMetric", "0.5"), ("SearchTimeLimit", "0:00:20"), ("BiasCorrection", "false")).Report;

        Assert.IsNotNull(report, string.Join('\n', fixture.Pipeline.Diagnostics));
        Assert.IsLessThan(50, clock.Elapsed.TotalSeconds);
        Assert.AreEqual("SearchTimeLimit", report.Search!.Ended);
        Assert.HasCount(1, report.Trials!);
    }

    private static string Script(SearchFixture fixture, string judgement)
    {
        string calls = Path.Combine(fixture.Pipeline.Folder, "calls.txt");
        File.WriteAllText(Path.Combine(fixture.Pipeline.Folder, "score.sh"), $"size=$(wc -c < \"$1\")\necho \"$size\" >> {calls}\n{judgement}\n");
        return calls;
    }
}
