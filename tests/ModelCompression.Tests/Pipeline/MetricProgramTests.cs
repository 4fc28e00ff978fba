using System.Diagnostics;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Pipeline.Caching;

namespace ModelCompression.Tests.Pipeline;

[TestClass]
[OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
public sealed class MetricProgramTests : IDisposable
{
    /// <summary>Scores a model by its size: the original gets 0.9, anything smaller 0.8.</summary>
    private const string ByScript = "sh ./score.sh";

    private readonly PipelineFixture fixture = new();

    public MetricProgramTests() => File.WriteAllText(Path.Combine(fixture.Folder, "score.sh"), """
        echo "loading $1"
        if [ $(wc -c < "$1") -gt 1000000 ]; then echo '{"metric": 0.9, "name": "Accuracy", "samples": 7}'; else echo '{"metric": 0.8, "name": "Accuracy", "samples": 7}'; fi
        """);

    public void Dispose() => fixture.Dispose();

    [TestMethod]
    public void Program_JudgesOriginalAndResult()
    {
        var validation = fixture.Run(("MetricCommand", ByScript)).Report!.Validation!;

        Assert.AreEqual("Accuracy", validation.Metric);
        Assert.AreEqual(0.9, validation.Original);
        Assert.AreEqual(0.8, validation.Compressed);
        Assert.AreEqual(0.1, validation.Drop!.Value, 1e-12);
        Assert.AreEqual(7, validation.Samples);
    }

    [TestMethod]
    public void Gates_UseIt()
    {
        Assert.AreEqual(CompressionStatus.Compressed, fixture.Run(("MetricCommand", ByScript), ("MaxMetricDrop", "0.15"), ("MinMetric", "0.75")).Status);

        Assert.AreEqual(CompressionStatus.Failed, fixture.Run(("MetricCommand", ByScript), ("MaxMetricDrop", "0.05")).Status);
        var error = fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error);
        Assert.AreEqual("MCB5001", error.Code);
        Assert.Contains("Accuracy fell from 0.9 to 0.8, a drop of 0.1, but MaxMetricDrop is 0.05. Layers that lost most: ", error.Message);
    }

    [TestMethod]
    public void LowerIsBetter_TurnsTheGates()
    {
        const string errorRate = "echo '{\"metric\": 0.12, \"lowerIsBetter\": true}' #";

        Assert.AreEqual(CompressionStatus.Compressed, fixture.Run(("MetricCommand", errorRate), ("MinMetric", "0.2")).Status, "at most 0.2");
        Assert.AreEqual(CompressionStatus.Failed, fixture.Run(("MetricCommand", errorRate), ("MinMetric", "0.1")).Status);
    }

    [TestMethod]
    [DataRow("exit 3 #", "MCB5030", "exit code 3")]
    [DataRow("no-such-program-here", "MCB5030", "exit code 127")]
    [DataRow("sh -c 'echo out of data >&2; exit 1'", "MCB5030", "out of data")]
    [DataRow("true", "MCB5031", "no line of JSON")]
    [DataRow("echo 0.9 #", "MCB5031", "no line of JSON; expected one line such as {\"metric\": 0.93}. It printed: 0.9")]
    [DataRow("echo '{\"accuracy\": 1}' #", "MCB5031", "no finite number \"metric\"")]
    [DataRow("echo '{\"metric\": NaN}' #", "MCB5031", "a line that is not JSON")]
    public void ProgramThatDoesNotAnswer_IsACodedError(string command, string code, string text)
    {
        Assert.AreEqual(CompressionStatus.Failed, fixture.Run(("MetricCommand", command)).Status);

        var error = fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error);
        Assert.AreEqual(code, error.Code);
        Assert.Contains(text, error.Message);
        Assert.IsFalse(File.Exists(fixture.Output));
    }

    [TestMethod]
    public void ProgramThatHangs_IsStoppedWithItsChildren()
    {
        long start = Stopwatch.GetTimestamp();
        Assert.AreEqual(CompressionStatus.Failed, fixture.Run(("MetricCommand", "sleep 300 & echo $! > child; sleep 300; true"), ("MetricTimeLimit", "1s")).Status);

        Assert.AreEqual("MCB5032", fixture.Diagnostics.Single(d => d.Severity == DiagnosticSeverity.Error).Code);
        Assert.IsLessThan(200, Stopwatch.GetElapsedTime(start).TotalSeconds);
        int child = int.Parse(File.ReadAllText(Path.Combine(fixture.Folder, "child")), System.Globalization.CultureInfo.InvariantCulture);
        Assert.IsTrue(SpinWait.SpinUntil(() => !IsRunning(child), TimeSpan.FromSeconds(20)), "the child lives on");
    }

    [TestMethod]
    public void ProgramsFiles_ArePartOfTheKeyAndOfTheDependencies()
    {
        string cachePath = Path.Combine(fixture.Folder, "cache"), script = Path.Combine(fixture.Folder, "score.sh");
        using var cache = ResultCache.Open(cachePath, "/", fixture.Diagnostics.Add)!;
        CollectionAssert.Contains(Run(cache).Dependencies.ToArray(), script);
        Assert.IsTrue(Run(cache).FromCache);
        CollectionAssert.Contains(Run(cache).Dependencies.ToArray(), script);

        File.AppendAllText(script, "# changed");
        Assert.IsFalse(Run(cache).FromCache);
    }

    private CompressionOutcome Run(ResultCache cache)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(fixture.Output)!);
        return new CompressionPipeline(fixture.Diagnostics.Add, cache).Run(new CompressionRequest
        {
            SourcePath = fixture.Source,
            Identity = "m.onnx",
            OutputPath = fixture.Output,
            Item = new SettingsSource("m", new Dictionary<string, string> { ["MetricCommand"] = ByScript }),
        });
    }

    /// <summary>A process that ended but was not collected by its new parent does not run.</summary>
    private static bool IsRunning(int id)
    {
        try
        {
            string status = File.ReadAllText($"/proc/{id}/stat");
            return status[(status.LastIndexOf(')') + 2)..][0] != 'Z';
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
