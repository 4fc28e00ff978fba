using ModelCompression.Build.Tests.Integration;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.EndToEnd;

/// <summary>Two clones of a project that share a cache.</summary>
[TestClass]
public sealed class SharedCacheTests : IDisposable
{
    private const string Results = "/obj/Debug/net10.0/compressed-models/Models/";

    private static readonly string[] ResultFiles = ["a.onnx", "a.onnx.report.json", "a.onnx.report.html", "b.onnx", "b.onnx.report.json", "b.onnx.report.html"];

    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void SecondClone_CompressesNothing()
    {
        using var server = new NginxServer();
        WriteClone("one", server.Address);
        WriteClone("two", server.Address);

        Assert.DoesNotContain("from the cache", _solution.Build("one").Output);
        int before = server.Requests.Count;
        var second = _solution.Build("two");

        Assert.Contains("a.onnx: ", second.Output);
        Assert.AreEqual(2, second.Output.Split('\n').Count(line => line.Trim().EndsWith(", from the cache", StringComparison.Ordinal)), second.Output);
        Assert.IsTrue(server.Requests.Skip(before).All(request => request == "GET 200"), string.Join('\n', server.Requests.Skip(before)));
        foreach (string file in ResultFiles)
            CollectionAssert.AreEqual(File.ReadAllBytes(_solution.PathOf("one" + Results + file)), File.ReadAllBytes(_solution.PathOf("two" + Results + file)), file);
        Assert.DoesNotContain("CompressModels", _solution.Build("two", "--no-restore").Tasks);
    }

    [TestMethod]
    public void ServerIsGone_IsAWarningAndTheBuildIsDone()
    {
        WriteClone("one", $"http://127.0.0.1:{NginxServer.FreePort()}/");

        var build = _solution.Build("one");

        Assert.HasCount(1, build.Warnings("MCB9060"), build.Output);
        Assert.IsTrue(File.Exists(_solution.PathOf("one/bin/Debug/net10.0/Models/b.onnx")));
    }

    private void WriteClone(string folder, string cache)
    {
        _solution.WriteProject("app", "<CompressModel Include=\"Models/a.onnx\" /><CompressModel Include=\"Models/b.onnx\" Quantization=\"Float16\" />",
            $"<ModelCompressionWorkerPath>{RealWorkerTests.WorkerPath}</ModelCompressionWorkerPath><ModelCompressionCachePath>{cache}</ModelCompressionCachePath>");
        _solution.Write(folder + "/app.csproj", _solution.Read("app/app.csproj"));
        foreach (string model in new[] { "a.onnx", "b.onnx" })
        {
            _solution.Write($"{folder}/Models/{model}", "");
            File.Copy(RealWorkerTests.SampleModel, _solution.PathOf($"{folder}/Models/{model}"), overwrite: true);
        }
    }
}
