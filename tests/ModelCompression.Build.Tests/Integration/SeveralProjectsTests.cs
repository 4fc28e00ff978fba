namespace ModelCompression.Build.Tests.Integration;

/// <summary>Project references, several frameworks, and the ways MSBuild schedules them.</summary>
[TestClass]
public sealed class SeveralProjectsTests : IDisposable
{
    /// <summary>The second one needs no package: nothing is compiled for it.</summary>
    private const string TwoFrameworks = """
        <TargetFrameworks>net10.0;netstandard2.0</TargetFrameworks>
        <DisableImplicitFrameworkReferences Condition="'$(TargetFramework)' == 'netstandard2.0'">true</DisableImplicitFrameworkReferences>
        """;

    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    [DataRow("-m:1")]
    [DataRow("-m:2")]
    [DataRow("-graph|-isolate|-m:2")]
    [DataRow("-mt|-m:2")]
    public void Build_AppReferencesLibrary_GetsItsModels(string switches)
    {
        WriteLibraryAndApp();
        _solution.Run("restore", "app").Succeeded();
        var build = _solution.Build("app", ["--no-restore", .. switches.Split('|')]);
        CollectionAssert.AreEqual(new[] { "Models/lib.onnx", "app.onnx" }, build.Compressed, build.Output);
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/Models/lib.onnx"));
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/app.onnx"));
        _solution.Build("app", ["--no-restore", .. switches.Split('|')]).CompressedNothing();
    }

    [TestMethod]
    public void Publish_AppReferencesLibrary_ContainsItsModels()
    {
        WriteLibraryAndApp();
        _solution.Run("publish", "app").Succeeded();
        Assert.IsTrue(_solution.IsCompressed("app/bin/Release/net10.0/publish/Models/lib.onnx"));
        Assert.IsTrue(_solution.IsCompressed("app/bin/Release/net10.0/publish/app.onnx"));
    }

    [TestMethod]
    [DataRow("-m:2")]
    [DataRow("-graph|-isolate|-m:2")]
    public void Build_SeveralFrameworks_CompressesOnceForAll(string switches)
    {
        _solution.WriteModel("lib/Models/a.onnx");
        _solution.WriteProject("lib", "<CompressModel Include=\"Models/a.onnx\" />", framework: TwoFrameworks);
        string[] options = ["--no-restore", .. switches.Split('|')];
        _solution.Run("restore", "lib").Succeeded();
        _solution.Build("lib", options).CompressedOnly("Models/a.onnx");
        Assert.IsTrue(_solution.IsCompressed("lib/bin/Debug/net10.0/Models/a.onnx"));
        Assert.IsTrue(_solution.IsCompressed("lib/bin/Debug/netstandard2.0/Models/a.onnx"));
        _solution.Build("lib", options).CompressedNothing();
        _solution.Build("lib", [.. options, "-f", "net10.0"]).CompressedNothing();

        _solution.WriteModel("lib/Models/a.onnx", "changed, and compressed once again for both");
        _solution.Build("lib", options).CompressedOnly("Models/a.onnx");
        Assert.Contains("changed", _solution.Read("lib/bin/Debug/netstandard2.0/Models/a.onnx"));

        _solution.Run("clean", "lib").Succeeded();
        Assert.IsEmpty(Directory.GetFiles(_solution.PathOf("lib/obj"), "*.onnx*", SearchOption.AllDirectories));
    }

    [TestMethod]
    public void Build_ModelOfOneFrameworkOnly_IsCompressedThere()
    {
        _solution.WriteModel("lib/a.onnx");
        _solution.WriteModel("lib/b.onnx");
        _solution.WriteProject("lib", "<CompressModel Include=\"a.onnx\" /><CompressModel Include=\"b.onnx\" Condition=\"'$(TargetFramework)' == 'netstandard2.0'\" />", framework: TwoFrameworks);
        var build = _solution.Build("lib");
        CollectionAssert.AreEqual(new[] { "a.onnx", "b.onnx" }, build.Compressed, build.Output);
        Assert.IsTrue(_solution.IsCompressed("lib/bin/Debug/netstandard2.0/b.onnx"));
        Assert.IsFalse(_solution.Has("lib/bin/Debug/net10.0/b.onnx"));
    }

    [TestMethod]
    public void Build_TwoReferencersOneWithAnotherGlobalProperty_CompressOnceAndAgree()
    {
        _solution.WriteModel("lib/lib.onnx");
        _solution.WriteProject("lib", "<CompressModel Include=\"lib.onnx\" Fake=\"Slow\" />");
        foreach (string name in new[] { "one", "two" })
        {
            string extra = name == "two" ? " AdditionalProperties=\"Extra=1\"" : "";
            _solution.WriteProject(name, $"<ProjectReference Include=\"../lib/lib.csproj\"{extra} />");
        }

        _solution.Write("both.proj", """
            <Project DefaultTargets="Build">
              <Target Name="Restore"><MSBuild Projects="one/one.csproj;two/two.csproj" Targets="Restore" Properties="X=1" /></Target>
              <Target Name="Build"><MSBuild Projects="one/one.csproj;two/two.csproj" BuildInParallel="true" /></Target>
            </Project>
            """);
        _solution.Run("msbuild", "both.proj", "-t:Restore").Succeeded();

        // One node: the build that waits must let the other go on.
        _solution.Run("msbuild", "both.proj", "-m:1").Succeeded().CompressedOnly("lib.onnx");
        Assert.IsTrue(_solution.IsCompressed("one/bin/Debug/net10.0/lib.onnx"));
        Assert.IsTrue(_solution.IsCompressed("two/bin/Debug/net10.0/lib.onnx"));

        // Two nodes, when only the model is out of date: the SDK itself breaks if two builds of one project write its other files at once.
        _solution.WriteModel("lib/lib.onnx", "changed, so that both want to compress it again");
        _solution.Run("msbuild", "both.proj", "-m:2").Succeeded().CompressedOnly("lib.onnx");
    }

    private void WriteLibraryAndApp()
    {
        _solution.WriteModel("lib/Models/lib.onnx");
        _solution.WriteModel("app/app.onnx");
        _solution.WriteProject("lib", "<CompressModel Include=\"Models/lib.onnx\" />");
        _solution.WriteProject("app", "<CompressModel Include=\"app.onnx\" /><ProjectReference Include=\"../lib/lib.csproj\" />", "<OutputType>Exe</OutputType>");
    }
}
