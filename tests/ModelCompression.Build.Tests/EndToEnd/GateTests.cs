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

    private static string Score(string value) => $$"""echo '{"metric": {{value}}, "name": "Accuracy"}'""";
}
