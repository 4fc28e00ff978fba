using System.Text.Json.Nodes;

namespace ModelCompression.Build.Tests.Integration;

/// <summary>Properties, hooks, and what tools other than the command line ask a project.</summary>
[TestClass]
public sealed class ProjectSwitchTests : IDisposable
{
    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void Build_Disabled_ShipsTheOriginalsBackAndForth()
    {
        WriteApp();
        string original = _solution.Read("app/Models/a.onnx");
        File.SetLastWriteTimeUtc(_solution.PathOf("app/Models/a.onnx"), DateTime.UtcNow.AddYears(-1));
        _solution.Run("publish", "app").Succeeded().CompressedOnly("Models/a.onnx");

        _solution.Run("publish", "app", "--no-restore", "-p:ModelCompressionEnabled=false").Succeeded().CompressedNothing();
        Assert.AreEqual(original, _solution.Read("app/bin/Release/net10.0/Models/a.onnx"));
        Assert.AreEqual(original, _solution.Read("app/bin/Release/net10.0/publish/Models/a.onnx"));

        // The results of the earlier build are still there, so switching back costs nothing.
        _solution.Run("publish", "app", "--no-restore").Succeeded().CompressedNothing();
        Assert.IsTrue(_solution.IsCompressed("app/bin/Release/net10.0/Models/a.onnx"));
        Assert.IsTrue(_solution.IsCompressed("app/bin/Release/net10.0/publish/Models/a.onnx"));
    }

    [TestMethod]
    public void DesignTimeBuild_DoesNoWorkButKnowsTheContent()
    {
        WriteApp();
        _solution.Run("restore", "app").Succeeded();
        var build = _solution.Run("msbuild", "app", "-t:Compile;GetCopyToOutputDirectoryItems;CompressModels", "-p:DesignTimeBuild=true;BuildingInsideVisualStudio=true;SkipCompilerExecution=true;ProvideCommandLineArgs=true", "-getItem:ContentWithTargetPath").Succeeded().CompressedNothing();
        Assert.DoesNotContain("FindStaleModels", build.Tasks);
        Assert.IsFalse(Directory.Exists(_solution.PathOf("app/obj/Debug/net10.0/compressed-models")));
        Assert.Contains("compressed-models/Models/a.onnx", build.Output);
    }

    [TestMethod]
    public void Evaluation_ListsWhatWatchersAndTheUpToDateCheckNeed()
    {
        WriteApp();
        _solution.Run("restore", "app").Succeeded();
        var evaluation = _solution.Run("msbuild", "app", "-getItem:Watch,UpToDateCheckInput,UpToDateCheckOutput,UpToDateCheckBuilt,AvailableItemName,PropertyPageSchema").Succeeded();
        var items = JsonNode.Parse(evaluation.Output[evaluation.Output.IndexOf('{', StringComparison.Ordinal)..(evaluation.Output.LastIndexOf('}') + 1)])!["Items"]!;
        Assert.Contains("Models/a.onnx", Identities("Watch"));
        Assert.Contains("Models/a.onnx", Identities("UpToDateCheckInput"));
        Assert.Contains("data/calib.npz", Identities("UpToDateCheckInput"));
        Assert.Contains("obj/Debug/net10.0/compressed-models/Models/a.onnx", Identities("UpToDateCheckOutput"));
        Assert.Contains("bin/Debug/net10.0/Models/a.onnx", Identities("UpToDateCheckBuilt"));
        var built = items["UpToDateCheckBuilt"]!.AsArray().Single(item => ((string)item!["Identity"]!).EndsWith("a.onnx", StringComparison.Ordinal))!;
        Assert.AreEqual("obj/Debug/net10.0/compressed-models/Models/a.onnx", ((string)built["Original"]!).Replace('\\', '/'));
        Assert.Contains("CompressModel", Identities("AvailableItemName"));
        Assert.IsTrue(items["PropertyPageSchema"]!.AsArray().Any(item => ((string)item!["Identity"]!).EndsWith("CompressModel.xaml", StringComparison.Ordinal) && File.Exists((string)item["FullPath"]!)));

        string[] Identities(string name) => [.. items[name]!.AsArray().Select(item => ((string)item!["Identity"]!).Replace('\\', '/'))];
    }

    [TestMethod]
    public void Watch_ListsTheModels()
    {
        WriteApp();
        _solution.Run("restore", "app").Succeeded();
        var listing = ModelCompression.Testing.ExternalCommand.Run("dotnet", ["watch", "--project", "app", "--list"], _solution.Folder, _solution.TestEnvironment(), TimeSpan.FromMinutes(1));
        Assert.AreEqual(0, listing.ExitCode, listing.Output);
        Assert.Contains(_solution.PathOf("app/Models/a.onnx"), listing.Output);
    }

    [TestMethod]
    public void Build_Hooks_RunInOrder()
    {
        WriteApp();
        _solution.Edit("app/app.csproj", "</Project>", """
              <PropertyGroup><CompressModelsDependsOn>MakeModel;$(CompressModelsDependsOn)</CompressModelsDependsOn></PropertyGroup>
              <Target Name="MakeModel"><Message Importance="high" Text="HOOK 1" /><Copy SourceFiles="Models/a.onnx" DestinationFiles="Models/made.onnx" /></Target>
              <Target Name="BeforeCompressModels"><Message Importance="high" Text="HOOK 2" /></Target>
              <Target Name="AfterCompressModels"><Message Importance="high" Text="HOOK 3 @(CompressedModel->'%(Filename)')" /></Target>
              <Target Name="Mine" AfterTargets="CompressModels"><Message Importance="high" Text="HOOK mine" /></Target>
            </Project>
            """);
        _solution.Edit("app/app.csproj", "<CompressModel Include", "<CompressModel Include=\"Models/made.onnx\" /><CompressModel Include");
        var build = _solution.Build("app").CompressedOnly("Models/a.onnx", "Models/made.onnx");
        string[] hooks = [.. build.Output.Split('\n').Where(line => line.Contains("HOOK", StringComparison.Ordinal)).Select(line => line.Trim())];
        CollectionAssert.AreEqual(new[] { "HOOK 1", "HOOK 2", "HOOK mine", "HOOK 3 made;a" }, hooks, build.Output);
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/Models/made.onnx"));
    }

    [TestMethod]
    public void Build_OwnOutputPathAndReports_AreRespectedAndCleaned()
    {
        WriteApp("<ModelCompressionOutputPath>../made here</ModelCompressionOutputPath><ModelCompressionReports>markdown</ModelCompressionReports><ModelCompressionMaxCpuCount>3</ModelCompressionMaxCpuCount>");
        _solution.Write("made here/of somebody else.txt", "kept");
        var build = _solution.Build("app").CompressedOnly("Models/a.onnx");
        Assert.Contains("threads 3", build.Output);
        Assert.IsTrue(_solution.IsCompressed("made here/Models/a.onnx"));
        Assert.IsTrue(_solution.Has("made here/Models/a.onnx.report.md"));
        Assert.IsFalse(_solution.Has("made here/Models/a.onnx.report.json"));
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/Models/a.onnx"));

        _solution.Edit("app/app.csproj", ">markdown<", ">None<");
        _solution.Build("app", "--no-restore").CompressedOnly("Models/a.onnx");
        Assert.IsFalse(_solution.Has("made here/Models/a.onnx.report.md"));
        _solution.Run("clean", "app").Succeeded();
        Assert.AreEqual("made here/of somebody else.txt", string.Join(' ', Directory.GetFiles(_solution.PathOf("made here"), "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(_solution.Folder, file))));
    }

    [TestMethod]
    public void Build_ArtifactsLayoutCentralVersionsAndBuildCheck_NoFindings()
    {
        WriteApp();
        _solution.Write("Directory.Build.props", "<Project><PropertyGroup><UseArtifactsOutput>true</UseArtifactsOutput></PropertyGroup></Project>");
        _solution.Write("Directory.Packages.props", $"<Project><PropertyGroup><ManagePackageVersionsCentrally>true</ManagePackageVersionsCentrally></PropertyGroup><ItemGroup><PackageVersion Include=\"ModelCompression.Build\" Version=\"{TestPackage.Version}\" /></ItemGroup></Project>");
        _solution.Edit("app/app.csproj", $"Version=\"{TestPackage.Version}\"", "");
        var build = _solution.Build("app", "-check").CompressedOnly("Models/a.onnx");
        Assert.IsTrue(_solution.IsCompressed("artifacts/bin/app/debug/Models/a.onnx"), build.Output);
        Assert.IsEmpty(build.Log.FindChildrenRecursive<Microsoft.Build.Logging.StructuredLogger.Warning>().Select(warning => warning.Code + warning.Text), build.Output);
    }

    private void WriteApp(string properties = "")
    {
        _solution.WriteModel("app/Models/a.onnx");
        _solution.Write("app/data/calib.npz", "data");
        _solution.WriteProject("app", "<CompressModel Include=\"Models/a.onnx\" CalibrationData=\"data/calib.npz\" />", properties);
    }
}
