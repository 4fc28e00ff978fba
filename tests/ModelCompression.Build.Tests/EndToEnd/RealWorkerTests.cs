using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using ModelCompression.Build.Tests.Integration;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.EndToEnd;

/// <summary>Builds with the real worker in the place of the fake one.</summary>
[TestClass]
public sealed class RealWorkerTests : IDisposable
{
    internal static readonly string WorkerPath = typeof(RealWorkerTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "WorkerPath").Value!;

    internal static readonly string SampleModel = Directory.GetFiles(RepositoryPaths.Combine("samples", "FashionClassifier"), "*.onnx", SearchOption.AllDirectories).First(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal));

    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void Build_GoodAndBadModels_CompressesTheGoodAndExplainsTheBad()
    {
        CopyModel("app/Models/good.onnx");
        _solution.Write("app/Models/broken.onnx", "this is not a model");
        CopyModel("app/Models/typo.onnx");
        WriteApp("""
            <CompressModel Include="Models/broken.onnx" />
            <CompressModel Include="Models/typo.onnx" Quantisation="None" />
            <CompressModel Include="Models/good.onnx" />
            """);
        var failed = _solution.Run("build", "app").Failed();
        var errors = failed.Log.FindChildrenRecursive<Microsoft.Build.Logging.StructuredLogger.Error>();
        Assert.HasCount(2, errors, failed.Output);
        Assert.IsTrue(errors.Any(error => error.Code.StartsWith("MCB2", StringComparison.Ordinal) && error.ToString().Contains("broken.onnx", StringComparison.Ordinal)), failed.Output);
        var typo = failed.Errors("MCB1001").Single();
        Assert.EndsWith("app.csproj", typo.File);
        Assert.AreEqual(Array.FindIndex(File.ReadAllLines(_solution.PathOf("app/app.csproj")), line => line.Contains("Quantisation", StringComparison.Ordinal)) + 1, typo.LineNumber);
        Assert.Contains("good.onnx: ", failed.Output);

        _solution.Edit("app/app.csproj", "<CompressModel Include=\"Models/broken.onnx\" />", "");
        _solution.Edit("app/app.csproj", "Quantisation=\"None\"", "Preset=\"Lossless\"");
        var fixedBuild = _solution.Build("app", "--no-restore");
        Assert.DoesNotContain("good.onnx: ", fixedBuild.Output);
        Assert.IsLessThan(new FileInfo(SampleModel).Length / 2, new FileInfo(_solution.PathOf("app/bin/Debug/net10.0/Models/good.onnx")).Length);
        var report = JsonNode.Parse(_solution.Read("app/obj/Debug/net10.0/compressed-models/Models/good.onnx.report.json"))!;
        Assert.AreEqual("Models/good.onnx", (string)report["model"]!);
        Assert.AreEqual(new FileInfo(_solution.PathOf("app/bin/Debug/net10.0/Models/good.onnx")).Length, (long)report["compressed"]!["bytes"]!);
        Assert.DoesNotContain("CompressModels", _solution.Build("app", "--no-restore").Tasks);
    }

    [TestMethod]
    public void Build_AnotherFolderThreadCountAndCulture_GivesTheSameBytes()
    {
        foreach (string project in new[] { "one", "other folder/two" })
        {
            CopyModel(project + "/m.onnx");
            WriteApp("<CompressModel Include=\"m.onnx\" />", project);
        }

        _solution.Build("one", "-p:ModelCompressionMaxCpuCount=1");
        var environment = _solution.TestEnvironment();
        environment["LANG"] = environment["LC_ALL"] = "tr_TR.UTF-8";
        var second = ExternalCommand.Run("dotnet", ["build", "other folder/two", "-tl:off", "-nodeReuse:false", "-p:ModelCompressionMaxCpuCount=2"], _solution.Folder, environment);
        Assert.AreEqual(0, second.ExitCode, second.Output);
        foreach (string file in new[] { "m.onnx", "m.onnx.report.json", "m.onnx.report.html" })
        {
            string first = _solution.PathOf("one/obj/Debug/net10.0/compressed-models/" + file);
            CollectionAssert.AreEqual(File.ReadAllBytes(first), File.ReadAllBytes(_solution.PathOf("other folder/two/obj/Debug/net10.0/compressed-models/" + file)), file);
            Assert.DoesNotContain(_solution.Folder, File.ReadAllText(first, System.Text.Encoding.Latin1));
        }
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Build_IsKilled_TheWorkerEndsAndTheNextBuildIsWhole()
    {
        for (int i = 0; i < 40; i++) CopyModel($"app/Models/{i:00}.onnx");
        WriteApp("<CompressModel Include=\"Models/*.onnx\" />");
        _solution.Run("restore", "app").Succeeded();
        var start = new ProcessStartInfo("dotnet", ["build", "app", "--no-restore", "-tl:off", "-nodeReuse:false"]) { WorkingDirectory = _solution.Folder, RedirectStandardOutput = true };
        foreach (var (name, value) in _solution.TestEnvironment()) start.Environment[name] = value;
        using var build = Process.Start(start)!;
        string output = _solution.PathOf("app/obj/Debug/net10.0/compressed-models/Models");
        Assert.IsTrue(SpinWait.SpinUntil(() => Directory.Exists(output) && Directory.GetFiles(output, "*.onnx").Length > 2, TimeSpan.FromSeconds(60)), "no model was compressed");
        int[] workers = [.. Process.GetProcessesByName("dotnet").Where(process => ParentOf(process.Id) == build.Id).Select(process => process.Id)];
        Assert.HasCount(1, workers);
        build.Kill();
        Assert.IsTrue(SpinWait.SpinUntil(() => workers.All(id => !Directory.Exists($"/proc/{id}")), TimeSpan.FromSeconds(15)), "the worker outlived the build");

        Assert.IsEmpty(Directory.GetDirectories(output, "*.staging"));
        Assert.IsLessThan(40, Directory.GetFiles(output, "*.onnx").Length);
        _solution.Edit("app/app.csproj", "Models/*.onnx", "Models/0*.onnx");
        _solution.Build("app", "--no-restore");
        Assert.HasCount(10, Directory.GetFiles(_solution.PathOf("app/bin/Debug/net10.0/Models")));
    }

    private void CopyModel(string relativePath)
    {
        _solution.Write(relativePath, "");
        File.WriteAllBytes(_solution.PathOf(relativePath), File.ReadAllBytes(SampleModel));
    }

    private void WriteApp(string items, string folder = "app")
    {
        _solution.WriteProject("app", items, $"<ModelCompressionWorkerPath>{WorkerPath}</ModelCompressionWorkerPath>");
        if (folder == "app") return;
        _solution.Write(folder + "/app.csproj", _solution.Read("app/app.csproj"));
    }

    /// <summary>Process id of a process's parent; 0 when it is gone.</summary>
    private static int ParentOf(int processId)
    {
        try
        {
            string status = File.ReadAllText($"/proc/{processId}/stat");
            return int.Parse(status[(status.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
