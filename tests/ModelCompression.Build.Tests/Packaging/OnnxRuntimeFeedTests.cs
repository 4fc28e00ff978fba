using System.Text.RegularExpressions;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.Packaging;

/// <summary>Restores a project in a copy of the repository's build files, with a NuGet source that is empty and an npm that is made up.</summary>
[TestClass]
public sealed partial class OnnxRuntimeFeedTests : IDisposable
{
    private const string Version = "1.29.0";
    private const string PackageFile = $"Microsoft.ML.OnnxRuntime.{Version}.nupkg";

    private readonly TemporaryFolder _folder = new("mcb-feed-");

    [TestInitialize]
    public void CopyBuildFiles()
    {
        foreach (var name in (string[])["Directory.Build.targets", "Directory.Packages.props", "global.json"])
            File.Copy(RepositoryPaths.Combine(name), _folder.Combine(name));
        foreach (var file in Directory.GetFiles(RepositoryPaths.Combine("build", "OnnxRuntimeFeed")))
            File.Copy(file, _folder.Combine("build", "OnnxRuntimeFeed", Path.GetFileName(file)));
        Directory.CreateDirectory(_folder.Combine("empty-source", "."));
        _folder.Write("NuGet.config", """
            <configuration>
              <packageSources><clear /><add key="empty" value="empty-source" /><add key="feed" value="artifacts/feed" /></packageSources>
            </configuration>
            """);
        _folder.Write("app/app.csproj", """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><TargetFramework>net10.0</TargetFramework><UseAppHost>false</UseAppHost></PropertyGroup>
              <ItemGroup><PackageReference Include="Microsoft.ML.OnnxRuntime" /></ItemGroup>
            </Project>
            """);
    }

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void Restore_WhenNeitherNuGetNorNpmHasThePackage_FailsWithOneClearError()
    {
        WriteNpm("echo no such package here >&2", "exit 3");
        var result = DotNet("restore", "app/app.csproj");
        Assert.AreNotEqual(0, result.ExitCode, result.Output);
        var error = Assert.ContainsSingle(ErrorLines(result.Output), result.Output);
        Assert.Contains("error MCB9901:", error);
        Assert.Contains("ended with code 3", error);
        Assert.Contains("no such package here", error);
        Assert.Contains("NU1101", error);
    }

    [TestMethod]
    public void Restore_WhenNpmIsNotInstalled_FailsWithTheSameError()
    {
        WriteNpm("exit 127");
        var result = DotNet("restore", "app/app.csproj");
        Assert.AreNotEqual(0, result.ExitCode, result.Output);
        Assert.Contains("error MCB9901:", Assert.ContainsSingle(ErrorLines(result.Output), result.Output));
    }

    [TestMethod]
    public void Restore_WhenNpmDeliversOtherBytes_UsesNothingOfThem()
    {
        WriteNpm("while [ \"$1\" != --pack-destination ]; do shift; done", "echo forged > \"$2/com.github.asus4.onnxruntime-0.4.9.tgz\"");
        var result = DotNet("restore", "app/app.csproj");
        Assert.AreNotEqual(0, result.ExitCode, result.Output);
        Assert.Contains("error MCB9902:", Assert.ContainsSingle(ErrorLines(result.Output), result.Output));
        Assert.IsEmpty(Directory.GetFiles(_folder.Combine("artifacts", "feed", ".")));
        Assert.IsEmpty(Directory.GetFiles(_folder.Path, "*.cs", SearchOption.AllDirectories));
    }

    [TestMethod]
    [DataRow(PackageFile)]
    [DataRow($"onnxruntime-{Version}.not-needed")]
    public void EnsureFeed_WhenTheAnswerIsKnown_AsksNobody(string file)
    {
        WriteNpm("exit 3");
        _folder.Write($"artifacts/feed/{file}", "anything");
        var result = DotNet("msbuild", "app/app.csproj", "-t:EnsureOnnxRuntimeFeed", "-v:normal");
        Assert.AreEqual(0, result.ExitCode, result.Output);
        Assert.DoesNotContain("FillFeed", result.Output);
        Assert.DoesNotContain("Looking for", result.Output);
    }

    [TestMethod]
    public void EnsureFeed_WhenNuGetRestoredThePackageBefore_NeedsNoFeed()
    {
        WriteNpm("exit 3");
        WriteRestoredPackage("https://example.org/v3/index.json");
        var result = DotNet("msbuild", "app/app.csproj", "-t:EnsureOnnxRuntimeFeed");
        Assert.AreEqual(0, result.ExitCode, result.Output);
        Assert.AreSequenceEqual([$"onnxruntime-{Version}.not-needed"], FeedFiles());
    }

    [TestMethod]
    public async Task EnsureFeed_WhenRunByManyBuildsAtOnce_IsFilledOnceAndNoBuildFails()
    {
        WriteNpm("exit 3");
        WriteRestoredPackage("/another/clone/artifacts/feed");
        var builds = Enumerable.Range(0, 3).Select(_ => Task.Run(() => DotNet("msbuild", "app/app.csproj", "-t:EnsureOnnxRuntimeFeed")));
        foreach (var result in await Task.WhenAll(builds).ConfigureAwait(false))
            Assert.AreEqual(0, result.ExitCode, result.Output);
        Assert.AreSequenceEqual([PackageFile], FeedFiles());
    }

    private IEnumerable<string> FeedFiles() => Directory.GetFiles(_folder.Combine("artifacts", "feed", ".")).Select(file => Path.GetFileName(file));

    private void WriteRestoredPackage(string source)
    {
        var package = $"packages/microsoft.ml.onnxruntime/{Version}";
        _folder.Write($"{package}/microsoft.ml.onnxruntime.{Version}.nupkg", "anything");
        _folder.Write($"{package}/.nupkg.metadata", $$"""{ "version": 2, "source": "{{source}}" }""");
    }

    private void WriteNpm(params string[] lines)
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Inconclusive("The made-up npm is a shell script.");
            return;
        }
        var npm = _folder.Write("bin/npm", string.Join('\n', ["#!/bin/sh", .. lines, ""]));
        File.SetUnixFileMode(npm, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private ExternalCommand DotNet(params string[] arguments) => ExternalCommand.Run("dotnet", [.. arguments, "-nodeReuse:false", "-tl:off"], _folder.Path, new Dictionary<string, string?>
    {
        ["PATH"] = _folder.Combine("bin") + Path.PathSeparator + Environment.GetEnvironmentVariable("PATH"),
        ["NUGET_PACKAGES"] = _folder.Combine("packages"),
        ["DOTNET_CLI_UI_LANGUAGE"] = "en",
        ["CI"] = null,
    });

    // A build prints its errors twice: when they happen and in the summary.
    private static IEnumerable<string> ErrorLines(string output) => output.Split('\n').Where(line => ErrorPattern().IsMatch(line)).Select(line => line.Trim()).Distinct();

    [GeneratedRegex(@"\berror [A-Z]+\d+:")]
    private static partial Regex ErrorPattern();
}
