using System.Text.Json.Nodes;
using ModelCompression.Build.Tests.Integration;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.EndToEnd;

/// <summary>The tool's <c>project</c> command gives what the build gives, byte for byte.</summary>
[TestClass]
public sealed class ProjectCommandTests : IDisposable
{
    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void PlainItem_GivesTheSameBytes()
    {
        CopyModel("app/Models/a.onnx");
        Write("<CompressModel Include=\"Models/a.onnx\" />");

        AssertSame("app/obj/Debug/net10.0/compressed-models", "Models/a.onnx");
    }

    [TestMethod]
    public void RulesDataLinksAndWildcards_GiveTheSameBytes()
    {
        foreach (string model in new[] { "app/Models/a.onnx", "app/Models/deep/b.onnx", "shared/c.onnx" }) CopyModel(model);
        _solution.Write("app/data/test.npz", "");
        File.Copy(RepositoryPaths.Combine("samples", "FashionClassifier", "Data", "fashion-test.npz"), _solution.PathOf("app/data/test.npz"), overwrite: true);
        Write("""
            <CompressModel Include="Models/**/*.onnx" ValidationData="data\test.npz" />
            <CompressModel Update="Models/deep/b.onnx" Pruning="Magnitude" Sparsity="0.5" />
            <CompressModel Include="../shared/c.onnx" Link="Renamed/c2.onnx" Quantization="Float16" />
            </ItemGroup><ItemDefinitionGroup><CompressModel><OnFailure>Warn</OnFailure></CompressModel></ItemDefinitionGroup><ItemGroup>
            <CompressModelRule Include="first" Model="a.onnx" OpTypes="Conv" Quantization="None" />
            """);

        AssertSame("app/obj/Debug/net10.0/compressed-models", "Models/a.onnx", "Models/deep/b.onnx", "Renamed/c2.onnx");

        Assert.AreEqual("Warn", (string)JsonNode.Parse(_solution.Read("tool/Renamed/c2.onnx.report.json"))!["settings"]!["OnFailure"]!, "a default for all models");
        string index = _solution.Read("app/obj/Debug/net10.0/compressed-models/compression-report.html");
        Assert.AreEqual(index, _solution.Read("tool/compression-report.html"));
        foreach (string report in new[] { "Models/a.onnx", "Models/deep/b.onnx", "Renamed/c2.onnx" }) Assert.Contains($"href=\"{report}.report.html\"", index);
        _solution.Run("clean", "app").Succeeded();
        Assert.IsFalse(_solution.Has("app/obj/Debug/net10.0/compressed-models/compression-report.html"));
    }

    [TestMethod]
    public void SeveralFrameworksAndGeneratedModels_GiveTheSameBytes()
    {
        CopyModel("app/export/a.onnx");
        _solution.AddTargets("""
            <PropertyGroup><CompressModelsDependsOn>MakeModel;$(CompressModelsDependsOn)</CompressModelsDependsOn></PropertyGroup>
            <Target Name="MakeModel"><Copy SourceFiles="export/a.onnx" DestinationFiles="made/a.onnx" /></Target>
            """);
        _solution.WriteProject("app", "<CompressModel Include=\"made/a.onnx\" Preset=\"$(ChosenPreset)\" />", WorkerProperty + "<ModelCompressionReports>Markdown;Json</ModelCompressionReports>", "<TargetFrameworks>net10.0</TargetFrameworks>");

        AssertSame("app/obj/Debug/net10.0/compressed-models", ["-p:ChosenPreset=Lossless"], "made/a.onnx");
    }

    [TestMethod]
    public void CalibrationLockFileAndSharedSettings_GiveTheSameBytes()
    {
        CopyModel("app/Models/a.onnx");
        _solution.Write("data/calib.npz", "");
        File.Copy(RepositoryPaths.Combine("samples", "FashionClassifier", "Data", "fashion-test.npz"), _solution.PathOf("data/calib.npz"), overwrite: true);
        _solution.Write("app/Directory.Build.props", """
            <Project>
              <PropertyGroup>
                <ModelCompressionLockFile>$(MSBuildThisFileDirectory)models.lock.json</ModelCompressionLockFile>
                <Scheme>WeightOnly</Scheme>
                <Scheme Condition="'$(Release)' == 'yes'">Static</Scheme>
              </PropertyGroup>
            </Project>
            """);
        Write("<CompressModel Include=\"Models/a.onnx\" Quantization=\"$(Scheme)\" CalibrationData=\"../data/calib.npz\" CalibrationSamples=\"16\" />");

        AssertSame("app/obj/Debug/net10.0/compressed-models", ["-p:Release=yes"], "Models/a.onnx");

        Assert.AreEqual("Static", (string)JsonNode.Parse(_solution.Read("app/models.lock.json"))!["projects"]!["app.csproj"]!["Models/a.onnx"]!["settings"]!["Quantization"]!);
    }

    [TestMethod]
    public void NotRestored_SaysWhatToDo()
    {
        CopyModel("app/Models/a.onnx");
        Write("<CompressModel Include=\"Models/a.onnx\" />");

        var tool = Tool("project", "app");

        Assert.AreEqual(1, tool.ExitCode, tool.Output);
        Assert.Contains("app.csproj: error MCB1057: ", tool.Output);
    }

    private static string WorkerProperty => $"<ModelCompressionWorkerPath>{RealWorkerTests.WorkerPath}</ModelCompressionWorkerPath>";

    private void AssertSame(string results, params string[] models) => AssertSame(results, [], models);

    private void AssertSame(string results, string[] properties, params string[] models)
    {
        _solution.Build("app", properties);
        var tool = Tool(["project", "app/app.csproj", "-o", "tool", "--json", .. properties.Select(p => p.Replace("-p:", "-p=", StringComparison.Ordinal))]);
        Assert.AreEqual(0, tool.ExitCode, tool.Output);
        var answers = JsonNode.Parse(tool.Output[tool.Output.IndexOf('[', StringComparison.Ordinal)..(tool.Output.LastIndexOf(']') + 1)])!.AsArray();
        Assert.HasCount(models.Length, answers);
        foreach (string model in models)
        {
            string built = _solution.PathOf(Path.Combine(results, model)), made = _solution.PathOf(Path.Combine("tool", model));
            CollectionAssert.AreEqual(File.ReadAllBytes(built), File.ReadAllBytes(made), model);
            Assert.IsTrue(answers.Any(a => (string)a!["output"]! == made && (string)a["sha256"]! == Sha256(built)), tool.Output);
            string[] reports = [.. Directory.GetFiles(Path.GetDirectoryName(built)!, Path.GetFileName(model) + ".report.*").Order(StringComparer.Ordinal)];
            Assert.HasCount(2, reports);
            foreach (string report in reports)
                Assert.AreEqual(File.ReadAllText(report), File.ReadAllText(Path.Combine(Path.GetDirectoryName(made)!, Path.GetFileName(report))));
        }
    }

    private ExternalCommand Tool(params string[] arguments) => ExternalCommand.Run("dotnet", ["exec", RealWorkerTests.WorkerPath, .. arguments], _solution.Folder, _solution.TestEnvironment());

    private void Write(string items) => _solution.WriteProject("app", items, WorkerProperty);

    private void CopyModel(string path)
    {
        _solution.Write(path, "");
        File.Copy(RealWorkerTests.SampleModel, _solution.PathOf(path), overwrite: true);
    }

    private static string Sha256(string path) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)));
}
