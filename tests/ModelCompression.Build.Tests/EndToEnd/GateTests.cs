using ModelCompression.Build.Tests.Integration;

namespace ModelCompression.Build.Tests.EndToEnd;

/// <summary>Gates in real builds.</summary>
[TestClass]
[OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
public sealed class GateTests : IDisposable
{
    private const string Result = "app/bin/Debug/net10.0/Models/a.onnx";

    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void FailedGate_FailsTheBuildKeepsTheResultAndIsTriedAgain()
    {
        _solution.Write("app/Models/a.onnx", "");
        File.Copy(RealWorkerTests.SampleModel, _solution.PathOf("app/Models/a.onnx"), overwrite: true);
        _solution.Write("app/score.sh", Score("0.95"));
        _solution.WriteProject("app", "<CompressModel Include=\"Models/a.onnx\" MetricCommand=\"sh score.sh {model}\" MinMetric=\"0.9\" />", $"<ModelCompressionWorkerPath>{RealWorkerTests.WorkerPath}</ModelCompressionWorkerPath>");
        StringAssert.Contains(_solution.Build("app").Output, "Accuracy 0.950 -> 0.950");
        byte[] earlier = File.ReadAllBytes(_solution.PathOf(Result));

        // The script is an input: with another verdict the model is judged again.
        _solution.Write("app/score.sh", Score("0.85"));
        for (int attempt = 0; attempt < 2; attempt++)
        {
            var failed = _solution.Run("build", "app", "--no-restore").Failed();
            Assert.AreEqual(1, failed.ExitCode);
            var error = failed.Errors("MCB5002").Single();
            Assert.Contains("Accuracy is 0.85, but MinMetric is 0.9. Layers that lost most: ", error.Text);
            CollectionAssert.AreEqual(earlier, File.ReadAllBytes(_solution.PathOf(Result)));
            CollectionAssert.AreEqual(earlier, File.ReadAllBytes(_solution.PathOf("app/obj/Debug/net10.0/compressed-models/Models/a.onnx")));
        }

        _solution.Edit("app/app.csproj", "MinMetric=\"0.9\"", "MinMetric=\"0.8\"");
        StringAssert.Contains(_solution.Build("app", "--no-restore").Output, "Accuracy 0.850 -> 0.850");
    }

    [TestMethod]
    public void FailedGate_WithWarnOrKeepOriginal_ShipsWhatItSays()
    {
        foreach (string model in new[] { "warn", "keep" })
        {
            _solution.Write($"app/Models/{model}.onnx", "");
            File.Copy(RealWorkerTests.SampleModel, _solution.PathOf($"app/Models/{model}.onnx"), overwrite: true);
        }

        _solution.WriteProject(
            "app",
            "<CompressModel Include=\"Models/warn.onnx\" MaxSize=\"1KB\" OnFailure=\"Warn\" /><CompressModel Include=\"Models/keep.onnx\" MaxSize=\"1KB\" OnFailure=\"KeepOriginal\" />",
            $"<ModelCompressionWorkerPath>{RealWorkerTests.WorkerPath}</ModelCompressionWorkerPath>");

        var build = _solution.Build("app");

        var warnings = build.Warnings("MCB5003");
        Assert.HasCount(2, warnings, build.Output);
        Assert.IsTrue(warnings.All(w => w.Text.Contains("bytes, but MaxSize is 1000", StringComparison.Ordinal)), build.Output);
        long original = new FileInfo(RealWorkerTests.SampleModel).Length;
        Assert.IsLessThan(original, new FileInfo(_solution.PathOf("app/bin/Debug/net10.0/Models/warn.onnx")).Length);
        CollectionAssert.AreEqual(File.ReadAllBytes(RealWorkerTests.SampleModel), File.ReadAllBytes(_solution.PathOf("app/bin/Debug/net10.0/Models/keep.onnx")));
        Assert.DoesNotContain("CompressModels", _solution.Build("app", "--no-restore").Tasks);
    }

    private static string Score(string value) => $$"""echo '{"metric": {{value}}, "name": "Accuracy"}'""";
}
