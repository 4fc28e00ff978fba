using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.EndToEnd;

/// <summary>A run leaves its output and nothing else.</summary>
[TestClass]
public sealed class FootprintTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void Compress_LeavesNothingInHomeOrAmongTemporaryFiles()
    {
        string home = _folder.Combine("home"), temporary = _folder.Combine("temporary"), output = _folder.Combine("out", "m.onnx");
        Directory.CreateDirectory(home);
        Directory.CreateDirectory(temporary);
        var environment = new Dictionary<string, string?>
        {
            ["HOME"] = home,
            ["TMPDIR"] = temporary,
            ["XDG_CACHE_HOME"] = null,
            ["ORT_DISABLE_TELEMETRY"] = null,
        };

        var run = ExternalCommand.Run("dotnet", ["exec", RealWorkerTests.WorkerPath, "compress", RealWorkerTests.SampleModel, "-o", output], _folder.Path, environment);

        Assert.AreEqual(0, run.ExitCode, run.Output);
        Assert.IsTrue(File.Exists(output));
        Assert.IsEmpty(FilesIn(home));
        Assert.IsEmpty(FilesIn(temporary));
    }

    /// <summary>Sockets and debugger pipes of the .NET host are its own.</summary>
    private static string[] FilesIn(string folder) =>
        [.. Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories).Where(path => !Path.GetFileName(path).StartsWith("dotnet-diagnostic-", StringComparison.Ordinal))];
}
