using ModelCompression.Build.Tests.Integration;

namespace ModelCompression.Build.Tests.EndToEnd;

/// <summary>The page with all models of a project, and what a clean leaves.</summary>
[TestClass]
public sealed class ProjectPageTests : IDisposable
{
    private const string Page = "app/made/compression-report.html";

    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void RemovedModel_LeavesThePageThoughNothingIsCompressed()
    {
        foreach (string model in new[] { "a", "b", "c" })
        {
            _solution.Write($"app/Models/{model}.onnx", "");
            File.Copy(RealWorkerTests.SampleModel, _solution.PathOf($"app/Models/{model}.onnx"), overwrite: true);
        }

        _solution.WriteProject(
            "app",
            "<CompressModel Include=\"Models/*.onnx\" />",
            $"<ModelCompressionWorkerPath>{RealWorkerTests.WorkerPath}</ModelCompressionWorkerPath><ModelCompressionOutputPath>made</ModelCompressionOutputPath>");
        _solution.Build("app");
        Assert.Contains("Models/b.onnx.report.html", _solution.Read(Page));
        // A search leaves its trials beside the result.
        _solution.Write("app/made/Models/b.onnx.search/0/trial-0.json", "{}");
        _solution.Write("app/made/Models/a.onnx.search/0/trial-0.json", "{}");

        File.Delete(_solution.PathOf("app/Models/b.onnx"));
        var second = _solution.Build("app", "--no-restore");

        Assert.DoesNotContain("a.onnx: ", second.Output);
        string page = _solution.Read(Page);
        Assert.DoesNotContain("b.onnx", page);
        Assert.Contains("Models/a.onnx.report.html", page);
        Assert.Contains("Models/c.onnx.report.html", page);
        Assert.IsFalse(Directory.Exists(_solution.PathOf("app/made/Models/b.onnx.search")));
        Assert.DoesNotContain("CompressModels", _solution.Build("app", "--no-restore").Tasks);

        _solution.Write("app/made/mine.txt", "not ours");
        _solution.Run("clean", "app").Succeeded();
        Assert.AreEqual("mine.txt", string.Join(' ', Directory.GetFiles(_solution.PathOf("app/made"), "*", SearchOption.AllDirectories).Select(Path.GetFileName)));
    }
}
