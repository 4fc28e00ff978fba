using System.IO.Compression;
using System.Reflection;
using ModelCompression.Build.Worker;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.Integration;

/// <summary>
/// The build package with the fake worker in the place of the real one, made once per test run in a feed of its own. The version is
/// unique: NuGet never unpacks a version twice.
/// </summary>
[TestClass]
public static class TestPackage
{
    private static TemporaryFolder? s_folder;

    /// <summary>The version most tests use.</summary>
    public static string Version { get; } = $"0.0.0-test.{DateTime.UtcNow.Ticks}";

    /// <summary>A later version with the same tasks and another worker.</summary>
    public static string NextVersion { get; } = Version + ".next";

    /// <summary>A version with a native program beside the worker: a script that passes its work on, or stops at once where <see cref="StopNative"/> is set.</summary>
    public static string NativeVersion { get; } = Version + ".native";

    /// <summary>A version whose native program no system starts.</summary>
    public static string RefusedVersion { get; } = Version + ".refused";

    /// <summary>Of a log of the fake worker: if this file is beside it, the native program stops at once, with the exit code in it.</summary>
    public const string StopNative = ".stop";

    /// <summary>Of a log of the fake worker: how often the native program was started, a line each.</summary>
    public const string NativeStarts = ".native";

    /// <summary>The folder with the packages.</summary>
    public static string Feed => s_folder!.Combine("feed");

    /// <summary>NuGet's folder of unpacked packages for all tests.</summary>
    public static string Unpacked => s_folder!.Combine("packages");

    [AssemblyInitialize]
    public static void Create(TestContext _)
    {
        s_folder = new TemporaryFolder("mcb-package-");
        Directory.CreateDirectory(Feed);
        Pack(Version);
        Pack(NextVersion, "another.dll", "x");
        Pack(RefusedVersion, $"runtimes/{RuntimePlatform.Current()}/native/modelcompress", "\u007FELF of another machine");
        Pack(NativeVersion, $"runtimes/{RuntimePlatform.Current()}/native/modelcompress", $"""
            #!/bin/sh
            echo started >> "$FAKE_WORKER_LOG{NativeStarts}"
            if [ -e "$FAKE_WORKER_LOG{StopNative}" ]; then echo "a library is too old" >&2; exit $(cat "$FAKE_WORKER_LOG{StopNative}"); fi
            exec dotnet exec "$(dirname "$0")/../../../modelcompress.dll" "$@"

            """.ReplaceLineEndings("\n"));
    }

    [AssemblyCleanup]
    public static void Delete() => s_folder?.Dispose();

    private static void Pack(string version, string? extraWorkerFile = null, string content = "")
    {
        using var package = ZipFile.Open(Path.Combine(Feed, $"ModelCompression.Build.{version}.nupkg"), ZipArchiveMode.Create);
        AddFolder(package, RepositoryPaths.Combine("build", "package"), "");
        AddFolder(package, RepositoryPaths.Combine("docs", "diagnostics"), "docs/diagnostics/");
        package.CreateEntryFromFile(typeof(FindStaleModels).Assembly.Location, "tasks/netstandard2.0/ModelCompression.Build.dll");
        AddFolder(package, FakeWorkerFolder(), "tools/net10.0/any/");
        if (extraWorkerFile is not null) Write(package, "tools/net10.0/any/" + extraWorkerFile, content);
        Write(package, "ModelCompression.Build.nuspec", $"""
            <?xml version="1.0" encoding="utf-8"?>
            <package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd">
              <metadata>
                <id>ModelCompression.Build</id>
                <version>{version}</version>
                <authors>tests</authors>
                <description>Package with a fake worker.</description>
                <developmentDependency>true</developmentDependency>
              </metadata>
            </package>
            """);
    }

    private static string FakeWorkerFolder() =>
        typeof(TestPackage).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "FakeWorkerFolder").Value!;

    private static void AddFolder(ZipArchive package, string folder, string prefix)
    {
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            package.CreateEntryFromFile(file, prefix + Path.GetRelativePath(folder, file).Replace('\\', '/'), CompressionLevel.Fastest);
    }

    private static void Write(ZipArchive package, string name, string text)
    {
        using var writer = new StreamWriter(package.CreateEntry(name).Open());
        writer.Write(text);
    }
}
