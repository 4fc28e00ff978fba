using System.Diagnostics;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.EndToEnd;

/// <summary>A search whose process is killed goes on where it was.</summary>
[TestClass]
[OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
public sealed class KilledSearchTests : IDisposable
{
    private const int Trials = 8;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void KilledInTheMiddle_EndsWithTheBytesOfAnUninterruptedSearch()
    {
        string whole = _folder.Combine("whole", "m.onnx"), killed = _folder.Combine("killed", "m.onnx");
        Complete(whole);
        var trials = KillAfter(3, killed);
        Assert.IsFalse(File.Exists(killed));
        Assert.IsLessThan(Trials, trials.Count);

        Complete(killed);

        CollectionAssert.AreEqual(File.ReadAllBytes(whole), File.ReadAllBytes(killed));
        foreach (var (file, time) in trials) Assert.AreEqual(time, File.GetLastWriteTimeUtc(file), "measured again: " + file);
        CollectionAssert.AreEqual(NamesOf(whole), NamesOf(killed));
    }

    private static string[] Arguments(string output) =>
        ["exec", RealWorkerTests.WorkerPath, "compress", RealWorkerTests.SampleModel, "-o", output, "--strategy", "Auto", "--search-trials", $"{Trials}"];

    private void Complete(string output)
    {
        var run = ExternalCommand.Run("dotnet", Arguments(output), _folder.Path);
        Assert.AreEqual(0, run.ExitCode, run.Output);
    }

    /// <summary>Starts the search, kills it with SIGKILL when some trials are on disk, and returns those.</summary>
    private Dictionary<string, DateTime> KillAfter(int count, string output)
    {
        using var search = Process.Start(new ProcessStartInfo("dotnet", Arguments(output)) { WorkingDirectory = _folder.Path, RedirectStandardOutput = true, RedirectStandardError = true })!;
        search.OutputDataReceived += (_, _) => { };
        search.ErrorDataReceived += (_, _) => { };
        search.BeginOutputReadLine();
        search.BeginErrorReadLine();
        bool reached = SpinWait.SpinUntil(() => search.HasExited || TrialsOf(output).Length >= count, TimeSpan.FromMinutes(5));
        search.Kill();
        search.WaitForExit();
        Assert.IsTrue(reached, "no trials within five minutes");
        Assert.AreEqual(128 + 9, search.ExitCode, "it had ended by itself");
        return TrialsOf(output).ToDictionary(file => file, File.GetLastWriteTimeUtc);
    }

    private static string[] TrialsOf(string output) =>
        Directory.Exists(output + ".search") ? [.. Directory.GetFiles(output + ".search", "trial-*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal)] : [];

    private static string?[] NamesOf(string output) => Array.ConvertAll(TrialsOf(output), Path.GetFileName);
}
