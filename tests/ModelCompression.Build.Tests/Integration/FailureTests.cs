using System.Diagnostics;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.Integration;

/// <summary>When things go wrong: one coded error each, the other models finish, nothing half-written stays.</summary>
[TestClass]
public sealed class FailureTests : IDisposable
{
    private readonly TestSolution _solution = new();

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    public void Build_OneModelFails_TheOthersFinishAndOnlyItIsRetried()
    {
        WriteThree("Warn");
        var good = _solution.Build("app").CompressedOnly("a.onnx", "b.onnx", "c.onnx");
        string previous = _solution.Read("app/obj/Debug/net10.0/compressed-models/b.onnx");
        var warning = good.Warnings("MCB4998").Single();
        Assert.EndsWith("app.csproj", warning.File);
        Assert.AreEqual(LineOf("b.onnx"), warning.LineNumber);

        _solution.Edit("app/app.csproj", "Fake=\"Warn\"", "Fake=\"Error\"");
        _solution.WriteModel("app/c.onnx", "changed, so that it is compressed in the same run");
        var failed = _solution.Run("build", "app", "--no-restore").Failed().CompressedOnly("b.onnx", "c.onnx");
        Assert.HasCount(1, failed.Errors("MCB4999"));
        Assert.AreEqual(1, failed.Log.FindChildrenRecursive<Microsoft.Build.Logging.StructuredLogger.Error>().Count, failed.Output);
        Assert.AreEqual(previous, _solution.Read("app/obj/Debug/net10.0/compressed-models/b.onnx"));

        _solution.Run("build", "app", "--no-restore").Failed().CompressedOnly("b.onnx");
        _solution.Edit("app/app.csproj", "Fake=\"Error\"", "");
        _solution.Build("app", "--no-restore").CompressedOnly("b.onnx");
        AssertNoLeftOvers();
    }

    [TestMethod]
    public void Build_WorkerCrashesOnOneModel_SaysWhichAndFinishesTheOthers()
    {
        WriteThree("Crash");
        var build = _solution.Run("build", "app").Failed();
        Assert.HasCount(2, build.Launches, build.Output);
        CollectionAssert.AreEqual(new[] { "a.onnx", "b.onnx", "c.onnx", "c.onnx" }, build.Compressed);
        var error = build.Errors("MCB9053").Single();
        Assert.Contains("'b.onnx'", error.Text);
        Assert.AreEqual(LineOf("b.onnx"), error.LineNumber);
        Assert.IsEmpty(Directory.GetFiles(_solution.PathOf("app/obj"), "*.tmp", SearchOption.AllDirectories));
        _solution.Run("build", "app", "--no-restore").Failed().CompressedOnly("b.onnx");
    }

    [TestMethod]
    [DataRow("OutOfMemory", 134)]
    [DataRow("Killed", 137)]
    public void Build_WorkerEndsForLackOfMemory_SaysSo(string how, int exitCode)
    {
        WriteThree(how);
        var build = _solution.Run("build", "app").Failed();
        Assert.IsEmpty(build.Errors("MCB9053"), build.Output);
        var error = build.Errors("MCB9010").Single();
        Assert.Contains($"(exit code {exitCode}) while it worked on 'b.onnx'", error.Text);
        Assert.AreEqual(LineOf("b.onnx"), error.LineNumber);
        CollectionAssert.AreEqual(new[] { "a.onnx", "b.onnx", "c.onnx", "c.onnx" }, build.Compressed);
    }

    [TestMethod]
    public void Build_WorkerAnswersNothingForAModel_IsAnError()
    {
        WriteThree("Silent");
        var build = _solution.Run("build", "app").Failed();
        Assert.HasCount(1, build.Errors("MCB9054"), build.Output);
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void Build_Cancelled_EndsTheWorkerAndLeavesNothingBehind()
    {
        WriteThree("Hang");
        _solution.Run("restore", "app").Succeeded();
        // A test run that was started in the background has inherited an ignored SIGINT; whoever presses Ctrl+C has not.
        string[] command = OperatingSystem.IsLinux() ? ["env", "--default-signal=INT", "dotnet"] : ["dotnet"];
        var start = new ProcessStartInfo(command[0], [.. command[1..], "build", "app", "--no-restore", "-tl:off", "-nodeReuse:false"]) { WorkingDirectory = _solution.Folder, RedirectStandardOutput = true };
        foreach (var (name, value) in _solution.TestEnvironment()) start.Environment[name] = value;
        using var build = Process.Start(start)!;
        Assert.IsTrue(SpinWait.SpinUntil(() => _solution.WorkerLog.Any(line => line.StartsWith("hanging", StringComparison.Ordinal)), TimeSpan.FromSeconds(60)));
        int worker = int.Parse(_solution.WorkerLog[^1].Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
        using (Process.Start("kill", ["-INT", build.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)])) { }
        var output = build.StandardOutput.ReadToEndAsync();
        bool ended = build.WaitForExit(TimeSpan.FromSeconds(60));
        if (!ended) build.Kill(entireProcessTree: true);
        Assert.IsTrue(ended, output.Result);
        Assert.AreNotEqual(0, build.ExitCode);
        Assert.IsTrue(SpinWait.SpinUntil(() => !IsRunning(worker), TimeSpan.FromSeconds(10)), "the worker still runs");
        AssertNoLeftOvers();
        _solution.Edit("app/app.csproj", "Fake=\"Hang\"", "");
        _solution.Build("app", "--no-restore").CompressedOnly("a.onnx", "b.onnx", "c.onnx");
    }

    [TestMethod]
    [DataRow("-p:NoWarn=MCB4998", 0, 0)]
    [DataRow("-p:WarningsAsErrors=MCB4998", 1, 1)]
    [DataRow("-warnaserror:MCB4998", 1, 1)]
    public void Build_WorkerWarns_TheUsualSwitchesApply(string option, int exitCode, int errors)
    {
        WriteThree("Warn");
        var build = _solution.Run("build", "app", option);
        Assert.AreEqual(exitCode, build.ExitCode, build.Output);
        Assert.IsEmpty(build.Warnings("MCB4998"));
        Assert.HasCount(errors, build.Errors("MCB4998"));

        // A result keeps its warnings: the next build, which has nothing to do, must not pass where this one failed.
        var again = _solution.Run("build", "app", option).CompressedNothing();
        Assert.AreEqual(exitCode, again.ExitCode, again.Output);
        Assert.HasCount(errors, again.Errors("MCB4998"));
        Assert.HasCount(1, _solution.Run("build", "app").Succeeded().CompressedNothing().Warnings("MCB4998"));
    }

    [TestMethod]
    [DataRow("ModelCompressionWorkerPath=none.dll", "MCB9051")]
    [DataRow("ModelCompressionMaxCpuCount=many", "MCB1052")]
    [DataRow("ModelCompressionNativeWorker=perhaps", "MCB1052")]
    [DataRow("ModelCompressionReports=Pdf", "MCB1052")]
    public void Build_WrongProperty_IsOneCodedError(string property, string code)
    {
        WriteThree("");
        var build = _solution.Run("build", "app", $"-p:{property}").Failed().CompressedNothing();
        Assert.HasCount(1, build.Errors(code), build.Output);
        Assert.AreEqual(1, build.Log.FindChildrenRecursive<Microsoft.Build.Logging.StructuredLogger.Error>().Count, build.Output);
        Assert.IsTrue(File.Exists(RepositoryPaths.Combine("docs", "diagnostics", code + ".md")), code);
    }

    [TestMethod]
    public void Build_OutputFolderIsAFile_IsOneCodedError()
    {
        WriteThree("");
        _solution.Write("occupied", "a file");
        var build = _solution.Run("build", "app", "-p:ModelCompressionOutputPath=../occupied/").Failed().CompressedNothing();
        Assert.HasCount(1, build.Errors("MCB9055"), build.Output);
        Assert.AreEqual("a file", _solution.Read("occupied"));
    }

    [TestMethod]
    public void Build_WorkerNamedByTheEnvironment_IsUsed()
    {
        WriteThree("");
        _solution.Run("restore", "app").Succeeded();
        var environment = _solution.TestEnvironment();
        environment["MODELCOMPRESSION_WORKER_PATH"] = "/nowhere/worker.dll";
        var build = ExternalCommand.Run("dotnet", ["build", "app", "--no-restore", "-tl:off"], _solution.Folder, environment);
        Assert.Contains("MCB9051", build.Output);
        Assert.Contains("/nowhere/worker.dll", build.Output);
    }

    private void WriteThree(string behaviour)
    {
        foreach (string name in new[] { "a", "b", "c" }) _solution.WriteModel($"app/{name}.onnx");
        _solution.WriteProject("app", $"""
            <CompressModel Include="a.onnx" />
            <CompressModel Include="b.onnx" Fake="{behaviour}" />
            <CompressModel Include="c.onnx" />
            """);
    }

    private int LineOf(string text) => Array.FindIndex(File.ReadAllLines(_solution.PathOf("app/app.csproj")), line => line.Contains(text, StringComparison.Ordinal)) + 1;

    private void AssertNoLeftOvers()
    {
        string[] files = [.. Directory.EnumerateFiles(_solution.PathOf("app/obj/Debug/net10.0/compressed-models"), "*", SearchOption.AllDirectories).Select(file => Path.GetFileName(file)!)];
        Assert.IsEmpty(files.Where(file => file.EndsWith(".tmp", StringComparison.Ordinal) || file.EndsWith(".lock", StringComparison.Ordinal) || file.EndsWith(".response.json", StringComparison.Ordinal)), string.Join(' ', files));
    }

    private static bool IsRunning(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
