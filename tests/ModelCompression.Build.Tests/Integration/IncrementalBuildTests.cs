using System.Text.Json.Nodes;

namespace ModelCompression.Build.Tests.Integration;

/// <summary>What is made, and when it is made again.</summary>
[TestClass]
public sealed class IncrementalBuildTests : IDisposable
{
    private const string ShowItems = """
        <Target Name="ShowItems" AfterTargets="Build"><Message Importance="high" Text="ITEM @(CompressedModel->'%(Identity)|%(SourceModel)|%(OriginalBytes)|%(CompressedBytes)|%(Sha256)|%(Report)')" /></Target>
        """;

    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void Build_FirstAndAgain_CompressesOnceAndDescribesTheResultBothTimes()
    {
        WriteTwoModels();
        _solution.AddTargets(ShowItems);
        byte[] source = File.ReadAllBytes(_solution.PathOf("app/Models/a.onnx"));

        var first = _solution.Build("app").CompressedOnly("Models/a.onnx", "Models/b.onnx");
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/Models/a.onnx"));
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/Models/b.onnx"));
        CollectionAssert.AreEqual(source, File.ReadAllBytes(_solution.PathOf("app/Models/a.onnx")));
        Assert.Contains("a.onnx: 51 B -> ", first.Output);
        Assert.DoesNotContain("a detail", first.Output);
        string item = ItemOf(first, "a.onnx");
        string output = _solution.PathOf("app/obj/Debug/net10.0/compressed-models/Models/a.onnx");
        string sha256 = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(output)));
        Assert.AreEqual($"{output}|Models/a.onnx|51|{new FileInfo(output).Length}|{sha256}|{output}.report.json", item);
        Assert.AreEqual("Models/a.onnx", (string)JsonNode.Parse(File.ReadAllText(output + ".report.json"))!["model"]!);
        Assert.Contains(file => file.FullPath.EndsWith("a.onnx.report.json", StringComparison.Ordinal), first.Log.SourceFiles);

        var second = _solution.Build("app", "--no-restore").CompressedNothing();
        Assert.DoesNotContain("CompressModels", second.Tasks);
        Assert.AreEqual(item, ItemOf(second, "a.onnx"));
        _solution.Build("app", "--no-restore", "-question").CompressedNothing();
        AssertNoLeftOvers();
    }

    [TestMethod]
    public void Build_OneInputChanges_CompressesOnlyTheModelsMadeFromIt()
    {
        WriteTwoModels();
        _solution.Write("app/data/folder/1.npy", "one");
        _solution.Build("app");

        _solution.WriteModel("app/Models/b.onnx", "another model, also long enough");
        _solution.Run("build", "app", "--no-restore", "-question").Failed();
        _solution.Build("app", "--no-restore").CompressedOnly("Models/b.onnx");

        _solution.Edit("app/app.csproj", "WeightBits=\"8\"", "WeightBits=\"4\"");
        _solution.Build("app", "--no-restore").CompressedOnly("Models/a.onnx");
        Assert.Contains("\"WeightBits\":\"4\"", _solution.Read("app/bin/Debug/net10.0/Models/a.onnx"));

        _solution.Write("app/data/calib.npz", "other data");
        _solution.Build("app", "--no-restore").CompressedOnly("Models/a.onnx");

        _solution.Write("app/data/folder/2.npy", "two");
        _solution.Build("app", "--no-restore").CompressedOnly("Models/a.onnx");

        File.Delete(_solution.PathOf("app/data/folder/1.npy"));
        _solution.Build("app", "--no-restore").CompressedOnly("Models/a.onnx");

        _solution.Edit("app/app.csproj", "</ItemGroup>", "<CompressModelRule Include=\"r\" Model=\"b.onnx\" Nodes=\"*\" WeightBits=\"4\" /></ItemGroup>");
        _solution.Build("app", "--no-restore").CompressedOnly("Models/b.onnx");
        Assert.Contains("\"identity\":\"r\"", _solution.Read("app/bin/Debug/net10.0/Models/b.onnx"));
        _solution.Build("app", "--no-restore").CompressedNothing();
    }

    [TestMethod]
    public void Build_OnlyTimesMove_CompressesNothing()
    {
        WriteTwoModels();
        _solution.Build("app");
        foreach (string file in new[] { "app/Models/a.onnx", "app/data/calib.npz", "app/obj/Debug/net10.0/compressed-models/Models/b.onnx" })
            File.SetLastWriteTimeUtc(_solution.PathOf(file), DateTime.UtcNow.AddHours(1));
        File.SetLastWriteTimeUtc(_solution.PathOf("app/Models/b.onnx"), DateTime.UtcNow.AddYears(-3));

        _solution.Build("app", "--no-restore").CompressedNothing();
        _solution.Build("app", "--no-restore", "-question").CompressedNothing();
    }

    [TestMethod]
    public void Build_AnotherPackageVersion_CompressesEverythingAgain()
    {
        WriteTwoModels();
        _solution.Build("app");
        _solution.Edit("app/app.csproj", TestPackage.Version, TestPackage.NextVersion);
        _solution.Build("app").CompressedOnly("Models/a.onnx", "Models/b.onnx");
        _solution.Build("app", "--no-restore").CompressedNothing();
    }

    [TestMethod]
    public void Build_ResultIsDamagedOrReportDeleted_CompressesAgain()
    {
        WriteTwoModels();
        _solution.Build("app");
        _solution.Write("app/obj/Debug/net10.0/compressed-models/Models/a.onnx", "damaged");
        File.Delete(_solution.PathOf("app/obj/Debug/net10.0/compressed-models/Models/b.onnx.report.json"));
        _solution.Build("app", "--no-restore").CompressedOnly("Models/a.onnx", "Models/b.onnx");
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/Models/a.onnx"));
    }

    [TestMethod]
    public void Build_FileTheWorkerFoundChanges_CompressesAgain()
    {
        _solution.WriteModel("app/a.onnx");
        _solution.Write("app/file.dep", "dependency");
        _solution.WriteProject("app", "<CompressModel Include=\"a.onnx\" Fake=\"Depends\" />");
        _solution.Build("app");
        _solution.Build("app", "--no-restore").CompressedNothing();
        _solution.Write("app/file.dep", "another one");
        _solution.Build("app", "--no-restore").CompressedOnly("a.onnx");
    }

    [TestMethod]
    public void Build_ModelRenamedThenRemoved_OldResultsDisappear()
    {
        WriteTwoModels();
        _solution.Build("app");
        File.Move(_solution.PathOf("app/Models/b.onnx"), _solution.PathOf("app/Models/c.onnx"));
        _solution.Edit("app/app.csproj", "Models/b.onnx", "Models/c.onnx");
        _solution.Build("app", "--no-restore").CompressedOnly("Models/c.onnx");
        AssertGone("b.onnx");
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/Models/c.onnx"));

        // What was compressed becomes plain content: the original must replace the newer compressed file in the output folder.
        _solution.Edit("app/app.csproj", "<CompressModel Include=\"Models/c.onnx\" />", "<Content Include=\"Models/c.onnx\" CopyToOutputDirectory=\"PreserveNewest\" />");
        File.SetLastWriteTimeUtc(_solution.PathOf("app/Models/c.onnx"), DateTime.UtcNow.AddYears(-3));
        _solution.Build("app", "--no-restore").CompressedNothing();
        Assert.AreEqual(_solution.Read("app/Models/c.onnx"), _solution.Read("app/bin/Debug/net10.0/Models/c.onnx"));

        _solution.Edit("app/app.csproj", "<Content Include=\"Models/c.onnx\" CopyToOutputDirectory=\"PreserveNewest\" />", "");
        _solution.Edit("app/app.csproj", "Include=\"Models/a.onnx\"", "Include=\"Models/none/*.onnx\"");
        _solution.Build("app", "--no-restore").CompressedNothing();
        AssertGone("a.onnx");
        AssertGone("c.onnx");
        Assert.DoesNotContain("FindStaleModels", _solution.Build("app", "--no-restore").Tasks);
    }

    [TestMethod]
    public void CleanAndRebuild_RemoveAndRemakeEverything()
    {
        WriteTwoModels();
        _solution.Build("app");
        _solution.Run("clean", "app").Succeeded().CompressedNothing();
        Assert.IsFalse(Directory.Exists(_solution.PathOf("app/obj/Debug/net10.0/compressed-models")));
        Assert.IsFalse(_solution.Has("app/bin/Debug/net10.0/Models/a.onnx"));
        _solution.Build("app", "--no-restore").CompressedOnly("Models/a.onnx", "Models/b.onnx");
        _solution.Build("app", "--no-restore", "-t:Rebuild").CompressedOnly("Models/a.onnx", "Models/b.onnx");
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/Models/a.onnx"));
    }

    private void WriteTwoModels()
    {
        _solution.WriteModel("app/Models/a.onnx");
        _solution.WriteModel("app/Models/b.onnx");
        _solution.Write("app/data/calib.npz", "data");
        _solution.WriteProject("app", """
            <CompressModel Include="Models/a.onnx" WeightBits="8" CalibrationData="data/calib.npz;data/folder" />
            <CompressModel Include="Models/b.onnx" />
            """);
    }

    private static string ItemOf(TestBuild build, string fileName) =>
        build.Output.Split('\n').Single(line => line.Contains("ITEM ", StringComparison.Ordinal)).Split("ITEM ")[1].Trim().Split(';').Single(item => item.Split('|')[0].EndsWith(fileName, StringComparison.Ordinal));

    private void AssertGone(string fileName)
    {
        string[] files = [.. Directory.EnumerateFiles(_solution.PathOf("app/obj"), fileName + "*", SearchOption.AllDirectories), .. Directory.EnumerateFiles(_solution.PathOf("app/bin"), fileName + "*", SearchOption.AllDirectories)];
        Assert.IsEmpty(files, string.Join('\n', files));
    }

    private void AssertNoLeftOvers()
    {
        string[] files = [.. Directory.EnumerateFiles(_solution.PathOf("app/obj/Debug/net10.0/compressed-models"), "*", SearchOption.AllDirectories).Select(Path.GetFileName).Cast<string>()];
        Assert.IsEmpty(files.Where(file => file.EndsWith(".tmp", StringComparison.Ordinal) || file.EndsWith(".lock", StringComparison.Ordinal) || file.StartsWith("request.", StringComparison.Ordinal)));
    }
}
