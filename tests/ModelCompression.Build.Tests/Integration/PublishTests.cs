namespace ModelCompression.Build.Tests.Integration;

/// <summary>Publishing takes what the build made.</summary>
[TestClass]
public sealed class PublishTests : IDisposable
{
    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void Publish_WithAndWithoutBuild_ContainsTheCompressedModelsAndCompressesOnce()
    {
        WriteApp();
        _solution.Run("publish", "app").Succeeded().CompressedOnly("Models/a.onnx", "b.onnx");
        Assert.IsTrue(_solution.IsCompressed("app/bin/Release/net10.0/publish/Models/a.onnx"));
        Assert.IsTrue(_solution.IsCompressed("app/bin/Release/net10.0/publish/renamed/b.onnx"));
        Assert.IsTrue(_solution.IsCompressed("app/bin/Release/net10.0/Models/a.onnx"));

        _solution.Run("publish", "app", "--no-build", "-o", _solution.PathOf("out")).Succeeded().CompressedNothing();
        Assert.IsTrue(_solution.IsCompressed("out/Models/a.onnx"));
        Assert.IsEmpty(Directory.GetFiles(_solution.PathOf("out"), "*onnxruntime*"));

        _solution.Build("app", "--no-restore", "-c", "Debug").CompressedOnly("Models/a.onnx", "b.onnx");
    }

    [TestMethod]
    public void Publish_NoBuildWithoutAnyBuild_FailsWithoutCompressing()
    {
        WriteApp();
        _solution.Run("restore", "app").Succeeded();
        _solution.Run("publish", "app", "--no-build", "--no-restore").Failed().CompressedNothing();
    }

    [TestMethod]
    public void Publish_ForARuntime_TakesTheResultOfTheOrdinaryBuild()
    {
        WriteApp();
        string runtime = System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier.Split('-')[0] == "win" ? "win-x64" : "linux-x64";
        _solution.Build("app", "-c", "Release").CompressedOnly("Models/a.onnx", "b.onnx");
        _solution.Run("publish", "app", "-r", runtime, "--no-self-contained").Succeeded().CompressedNothing();
        Assert.IsTrue(_solution.IsCompressed($"app/bin/Release/net10.0/{runtime}/publish/Models/a.onnx"));
        _solution.Run("publish", "app", "-r", runtime, "--no-self-contained").Succeeded().CompressedNothing();

        _solution.WriteModel("app/Models/a.onnx", "changed, and then only published for a runtime");
        _solution.Run("publish", "app", "-r", runtime, "--no-self-contained").Succeeded().CompressedOnly("Models/a.onnx");
        _solution.Build("app", "-c", "Release", "--no-restore").CompressedNothing();
    }

    [TestMethod]
    public void Publish_SingleFile_KeepsModelsBesideTheProgram()
    {
        // The bundler comes from a package, so this test needs the machine's own package sources too.
        _solution.Edit("NuGet.Config", "<clear />", "");
        WriteApp("<PublishSingleFile>true</PublishSingleFile><UseAppHost>true</UseAppHost><RuntimeIdentifier>" + System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier + "</RuntimeIdentifier><SelfContained>false</SelfContained>");
        var build = _solution.Run("publish", "app").Succeeded().CompressedOnly("Models/a.onnx", "b.onnx");
        string folder = Directory.GetDirectories(_solution.PathOf("app/bin/Release/net10.0"), "publish", SearchOption.AllDirectories).Single();
        Assert.IsTrue(_solution.IsCompressed(Path.Combine(folder, "Models/a.onnx")), build.Output);
        Assert.IsFalse(File.Exists(Path.Combine(folder, "app.dll")), "the program is not a single file");
    }

    [TestMethod]
    public void Publish_ModelWithFilesBesideIt_TakesThemAlong()
    {
        _solution.WriteModel("app/Models/big.onnx");
        _solution.WriteProject("app", "<CompressModel Include=\"Models/big.onnx\" Fake=\"Data\" />", "<OutputType>Exe</OutputType>");
        _solution.Run("publish", "app").Succeeded().CompressedOnly("Models/big.onnx");
        Assert.AreEqual("external data", _solution.Read("app/bin/Release/net10.0/Models/big.onnx.data"));
        Assert.AreEqual("external data", _solution.Read("app/bin/Release/net10.0/publish/Models/big.onnx.data"));
        _solution.Run("publish", "app", "--no-build", "-o", _solution.PathOf("out")).Succeeded();
        Assert.AreEqual("external data", _solution.Read("out/Models/big.onnx.data"));
        _solution.Run("build", "app", "--no-restore", "-c", "Release", "-question").Succeeded().CompressedNothing();

        _solution.Edit("app/app.csproj", "Fake=\"Data\"", "");
        _solution.Build("app", "--no-restore", "-c", "Release").CompressedOnly("Models/big.onnx");
        Assert.IsFalse(_solution.Has("app/bin/Release/net10.0/Models/big.onnx.data"));
        Assert.IsFalse(_solution.Has("app/obj/Release/net10.0/compressed-models/Models/big.onnx.data"));
    }

    [TestMethod]
    public void Publish_WebAppWithAModelUnderTheWebRoot_DescribesTheCompressedFile()
    {
        _solution.WriteModel("web/wwwroot/models/m.onnx");
        _solution.WriteProject("web", "<CompressModel Include=\"wwwroot/models/m.onnx\" />");
        _solution.Edit("web/web.csproj", "Microsoft.NET.Sdk", "Microsoft.NET.Sdk.Web");
        var build = _solution.Run("publish", "web").Succeeded().CompressedOnly("wwwroot/models/m.onnx");
        string published = _solution.PathOf("web/bin/Release/net10.0/publish/wwwroot/models/m.onnx");
        Assert.IsTrue(_solution.IsCompressed(published), build.Output);
        string integrity = "sha256-" + Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(published)));
        var endpoints = System.Text.Json.Nodes.JsonNode.Parse(_solution.Read("web/bin/Release/net10.0/publish/web.staticwebassets.endpoints.json"))!["Endpoints"]!.AsArray();
        var endpoint = endpoints.First(node => (string)node!["Route"]! == "models/m.onnx")!;
        Assert.Contains(integrity, endpoint.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }));
        _solution.Run("publish", "web", "--no-restore").Succeeded().CompressedNothing();
    }

    [TestMethod]
    public void Pack_Library_TakesNoModelUnlessAskedAndNothingOfThePackage()
    {
        _solution.WriteModel("lib/a.onnx");
        _solution.WriteModel("lib/b.onnx");
        _solution.WriteProject("lib", "<CompressModel Include=\"a.onnx\" /><CompressModel Include=\"b.onnx\" Pack=\"true\" PackagePath=\"models/b.onnx\" />");
        var build = _solution.Run("pack", "lib", "-o", _solution.PathOf("packed")).Succeeded().CompressedOnly("a.onnx", "b.onnx");
        Assert.IsEmpty(build.Warnings("MCB1054"));
        string[] entries = PackageEntries(out string nuspec);
        Assert.AreEqual("lib/net10.0/lib.dll models/b.onnx", string.Join(' ', entries.Where(entry => entry.StartsWith("lib/", StringComparison.Ordinal) || entry.Contains("onnx", StringComparison.Ordinal)).Order(StringComparer.Ordinal)));
        Assert.DoesNotContain("ModelCompression", nuspec);
        Assert.DoesNotContain("tasks/", string.Join(' ', entries));

        _solution.Edit("lib/lib.csproj", "PrivateAssets=\"all\"", "");
        var leaking = _solution.Run("pack", "lib", "-o", _solution.PathOf("packed")).Succeeded();
        Assert.HasCount(1, leaking.Warnings("MCB1054"));
    }

    private void WriteApp(string properties = "")
    {
        _solution.WriteModel("app/Models/a.onnx");
        _solution.WriteModel("app/b.onnx");
        _solution.WriteProject("app", "<CompressModel Include=\"Models/a.onnx\" /><CompressModel Include=\"b.onnx\" Link=\"renamed/b.onnx\" />", "<OutputType>Exe</OutputType>" + properties);
    }

    private string[] PackageEntries(out string nuspec)
    {
        using var package = System.IO.Compression.ZipFile.OpenRead(Directory.GetFiles(_solution.PathOf("packed"), "*.nupkg").Single());
        using var reader = new StreamReader(package.Entries.Single(entry => entry.FullName.EndsWith(".nuspec", StringComparison.Ordinal)).Open());
        nuspec = reader.ReadToEnd();
        return [.. package.Entries.Select(entry => entry.FullName)];
    }
}
