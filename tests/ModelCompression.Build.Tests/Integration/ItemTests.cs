using System.Text.Json.Nodes;

namespace ModelCompression.Build.Tests.Integration;

/// <summary>Items as people write them: lists, odd names, links, files that are listed elsewhere too.</summary>
[TestClass]
public sealed class ItemTests : IDisposable
{
    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void Build_OddNames_AllArriveUnchangedAndOnce()
    {
        string deep = string.Join('/', Enumerable.Repeat("a-folder-with-quite-a-long-name", 9)) + "/deep.onnx";
        string[] names = ["with space.onnx", "at@sign.onnx", "semi;colon.onnx", "per%cent%41.onnx", "Ünïcödé-模型.onnx", "quote'and&amp.onnx", "round(1)[2]{3}.onnx", "dollar$(x).onnx", "plus+equals=.onnx", deep];
        Assert.IsGreaterThan(280, deep.Length);
        foreach (string name in names) _solution.WriteModel("app/" + name);
        string include = string.Concat(names.Select(name => $"<CompressModel Include=\"{EscapeItem(name)}\" />"));
        _solution.WriteProject("app", include);

        var build = _solution.Build("app");
        Assert.HasCount(1, build.Launches, build.Output);
        foreach (string name in names)
        {
            Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/" + name), name + "\n" + build.Output);
            Assert.AreEqual(name, (string)JsonNode.Parse(_solution.Read($"app/obj/Debug/net10.0/compressed-models/{name}.report.json"))!["model"]!);
        }

        _solution.Build("app", "--no-restore").CompressedNothing();
        _solution.Build("app", "--no-restore", "-question").CompressedNothing();
        _solution.Run("clean", "app").Succeeded();
        Assert.IsEmpty(Directory.GetFiles(_solution.PathOf("app/bin"), "*.onnx", SearchOption.AllDirectories));
    }

    [TestMethod]
    public void Build_FolderOfTheProjectHasAnOddName_Works()
    {
        _solution.WriteModel("my app; 100% @'ü'/a.onnx");
        _solution.Write("my app; 100% @'ü'/data/c 1.npz", "data");
        _solution.WriteProject("my app; 100% @'ü'", "<CompressModel Include=\"a.onnx\" CalibrationData=\"data/c 1.npz\" />", "<AssemblyName>app</AssemblyName>");
        File.Move(_solution.PathOf("my app; 100% @'ü'/my app; 100% @'ü'.csproj"), _solution.PathOf("my app; 100% @'ü'/app.csproj"));
        var build = _solution.Build(_solution.PathOf("my app; 100% @'ü'")).CompressedOnly("a.onnx");
        Assert.IsTrue(_solution.IsCompressed("my app; 100% @'ü'/bin/Debug/net10.0/a.onnx"), build.Output);
        _solution.Build(_solution.PathOf("my app; 100% @'ü'"), "--no-restore").CompressedNothing();
    }

    [TestMethod]
    public void Build_WildcardLinksAndFilesOutsideTheProject_HaveTheDestinationsOfContent()
    {
        _solution.WriteModel("app/Models/one/a.onnx");
        _solution.WriteModel("app/Models/two/a.onnx");
        _solution.WriteModel("shared/s.onnx");
        _solution.WriteModel("shared/deep/t.onnx");
        _solution.WriteModel("shared/u.onnx");
        _solution.WriteProject("app", """
            <CompressModel Include="Models/**/*.onnx" />
            <CompressModel Update="Models/two/a.onnx" WeightBits="4" />
            <CompressModel Include="../shared/s.onnx" />
            <CompressModel Include="../shared/dee*/*.onnx" LinkBase="linked" />
            <CompressModel Include="../shared/u.onnx" TargetPath="target/u2.onnx" CopyToOutputDirectory="Never" CopyToPublishDirectory="Always" />
            """);
        _solution.Build("app").CompressedOnly("../shared/deep/t.onnx", "../shared/s.onnx", "../shared/u.onnx", "Models/one/a.onnx", "Models/two/a.onnx");
        foreach (string file in new[] { "Models/one/a.onnx", "Models/two/a.onnx", "s.onnx", "linked/deep/t.onnx" }) Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/" + file), file);
        Assert.DoesNotContain("WeightBits", _solution.Read("app/bin/Debug/net10.0/Models/one/a.onnx"));
        Assert.Contains("\"WeightBits\":\"4\"", _solution.Read("app/bin/Debug/net10.0/Models/two/a.onnx"));
        Assert.IsFalse(_solution.Has("app/bin/Debug/net10.0/target/u2.onnx"));
        _solution.Run("publish", "app", "-c", "Debug", "--no-build", "-o", _solution.PathOf("out")).Succeeded();
        Assert.IsTrue(_solution.IsCompressed("out/target/u2.onnx"));
    }

    [TestMethod]
    public void Build_ModelIsContentOrNoneToo_TheCompressedOneWins()
    {
        foreach (string name in new[] { "content", "none", "linked", "other" }) _solution.WriteModel($"app/{name}.onnx");
        _solution.WriteModel("app/another/linked.onnx", "another file that wants the same place");
        _solution.WriteProject("app", """
            <Content Include="content.onnx" CopyToOutputDirectory="Always" />
            <None Update="none.onnx" CopyToOutputDirectory="PreserveNewest" />
            <Content Include="another/linked.onnx" Link="linked.onnx" CopyToOutputDirectory="PreserveNewest" />
            <None Include="another/linked.onnx" Link="linked.onnx" CopyToOutputDirectory="PreserveNewest" CopyToPublishDirectory="PreserveNewest" />
            <Content Include="other.onnx" Link="kept/other.onnx" CopyToOutputDirectory="PreserveNewest" />
            <CompressModel Include="content.onnx;none.onnx;linked.onnx;other.onnx" />
            """);
        _solution.Run("publish", "app").Succeeded();
        foreach (string name in new[] { "content", "none", "linked" })
        {
            Assert.IsTrue(_solution.IsCompressed($"app/bin/Release/net10.0/{name}.onnx"), name);
            Assert.IsTrue(_solution.IsCompressed($"app/bin/Release/net10.0/publish/{name}.onnx"), name);
        }

        // The original of a compressed model may be shipped as well, at a place of its own.
        Assert.AreEqual(_solution.Read("app/other.onnx"), _solution.Read("app/bin/Release/net10.0/kept/other.onnx"));
        Assert.IsTrue(_solution.IsCompressed("app/bin/Release/net10.0/other.onnx"));
        _solution.Build("app", "--no-restore", "-c", "Release").CompressedNothing();
    }

    [TestMethod]
    public void Build_Duplicates_AreOneModel()
    {
        _solution.WriteModel("app/Models/a.onnx");
        _solution.WriteProject("app", "<CompressModel Include=\"Models/a.onnx\" /><CompressModel Include=\"Models/*.onnx\" /><CompressModel Include=\"./Models/../Models/a.onnx\" />");
        var build = _solution.Build("app").CompressedOnly("Models/a.onnx");
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/Models/a.onnx"), build.Output);
    }

    [TestMethod]
    public void Build_TwoModelsWithOneDestination_FailsAtTheirLinesAndCompressesTheRest()
    {
        foreach (string name in new[] { "a/m", "b/m", "c", "d" }) _solution.WriteModel($"app/{name}.onnx");
        _solution.WriteProject("app", """
            <CompressModel Include="a/m.onnx" Link="m.onnx" />
            <CompressModel Include="b/m.onnx" Link="m.onnx" />
            <CompressModel Include="c.onnx" WeightBits="8" />
            <CompressModel Include="c.onnx" WeightBits="4" />
            <CompressModel Include="d.onnx" />
            """);
        var build = _solution.Run("build", "app").Failed().CompressedOnly("d.onnx");
        var errors = build.Errors("MCB1050");
        CollectionAssert.AreEqual(new[] { LineOf("a/m.onnx"), LineOf("b/m.onnx"), LineOf("WeightBits=\"8\""), LineOf("WeightBits=\"8\"") }, errors.Select(error => error.LineNumber).ToArray());
        Assert.Contains("'b/m.onnx' goes to the same place; give one of them a Link", errors[0].Text);
        Assert.Contains("Update", errors[2].Text);
        Assert.EndsWith("app.csproj", errors[0].File);
    }

    [TestMethod]
    public void Build_ModelIsMissing_FailsAtItsLineAndCompressesTheRest()
    {
        _solution.WriteModel("app/a.onnx");
        _solution.WriteModel("app/folder/b.onnx");
        _solution.WriteProject("app", """
            <CompressModel Include="a.onnx" />
            <CompressModel Include="Models/missing.onnx" />
            <CompressModel Include="folder" />
            <CompressModel Include="folder/b.onnx" Link="../../b.onnx" />
            """);
        var build = _solution.Run("build", "app").Failed().CompressedOnly("a.onnx");
        var errors = build.Errors("MCB2050");
        Assert.HasCount(2, errors);
        Assert.Contains("'Models/missing.onnx' does not exist", errors[0].Text);
        Assert.AreEqual(LineOf("Models/missing.onnx"), errors[0].LineNumber);
        Assert.Contains("is a folder", errors[1].Text);
        Assert.HasCount(1, build.Errors("MCB1053"));
        _solution.Run("build", "app", "--no-restore").Failed().CompressedNothing();
    }

    [TestMethod]
    public void Build_DestinationOrCopyModeIsWrong_FailsAtItsLineAndCompressesTheRest()
    {
        foreach (string name in new[] { "a", "b", "c", "d" }) _solution.WriteModel($"app/{name}.onnx");
        _solution.WriteProject("app", """
            <CompressModel Include="a.onnx" LinkBase="sub/" CopyToOutputDirectory="always" />
            <CompressModel Include="b.onnx" Link="sub/" />
            <CompressModel Include="c.onnx" CopyToOutputDirectory="Sometimes" />
            <CompressModel Include="d.onnx" CopyToPublishDirectory="yes" />
            """);

        var build = _solution.Run("build", "app").Failed().CompressedOnly("a.onnx");

        Assert.Contains("'b.onnx' has the destination 'sub/', which names a folder", build.Errors("MCB1053").Single().Text);
        var unknown = build.Errors("MCB1002");
        CollectionAssert.AreEqual(new[] { LineOf("c.onnx"), LineOf("d.onnx") }, unknown.Select(error => error.LineNumber).ToArray());
        Assert.Contains("CopyToOutputDirectory=\"Sometimes\"; allowed: Never, PreserveNewest, IfDifferent, Always", unknown[0].Text);
        Assert.Contains("CopyToPublishDirectory=\"yes\"", unknown[1].Text);
    }

    [TestMethod]
    public void Build_SourceIsReadOnly_TheResultIsNot()
    {
        _solution.WriteModel("app/a.onnx");
        File.SetAttributes(_solution.PathOf("app/a.onnx"), FileAttributes.ReadOnly);
        _solution.WriteProject("app", "<CompressModel Include=\"a.onnx\" />");
        _solution.Build("app");
        foreach (string file in new[] { "app/obj/Debug/net10.0/compressed-models/a.onnx", "app/bin/Debug/net10.0/a.onnx" })
            Assert.IsFalse(File.GetAttributes(_solution.PathOf(file)).HasFlag(FileAttributes.ReadOnly), file);
        File.SetAttributes(_solution.PathOf("app/a.onnx"), FileAttributes.Normal);
    }

    [TestMethod]
    public void Build_RuleThatNamesNoModel_Warns()
    {
        _solution.WriteModel("app/a.onnx");
        _solution.WriteProject("app", """
            <CompressModel Include="a.onnx" />
            <CompressModelRule Include="head" Model="b.onnx" Nodes="*" WeightBits="4" />
            <CompressModelRule Include="all" OpTypes="Gemm" WeightBits="6" />
            """);
        var warning = _solution.Build("app").CompressedOnly("a.onnx").Warnings("MCB1051").Single();
        Assert.Contains("'head'", warning.Text);
        Assert.AreEqual(LineOf("\"head\""), warning.LineNumber);
        Assert.Contains("\"identity\":\"all\"", _solution.Read("app/bin/Debug/net10.0/a.onnx"));
        Assert.DoesNotContain("\"identity\":\"head\"", _solution.Read("app/bin/Debug/net10.0/a.onnx"));
    }

    private int LineOf(string text) => Array.FindIndex(File.ReadAllLines(_solution.PathOf("app/app.csproj")), line => line.Contains(text, StringComparison.Ordinal)) + 1;

    private static string EscapeItem(string name) =>
        System.Security.SecurityElement.Escape(name.Replace("%", "%25").Replace(";", "%3B").Replace("@", "%40").Replace("$", "%24"))!;
}
