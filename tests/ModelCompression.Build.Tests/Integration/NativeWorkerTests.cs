namespace ModelCompression.Build.Tests.Integration;

/// <summary>Which of the package's workers does the work: the native program where it runs, else the portable one.</summary>
[TestClass]
public sealed class NativeWorkerTests : IDisposable
{
    private readonly TestSolution _solution = new();

    public NativeWorkerTests()
    {
        _solution.WriteModel("app/m.onnx");
        _solution.WriteProject("app", "<CompressModel Include=\"m.onnx\" />");
        _solution.Edit("app/app.csproj", $"\"{TestPackage.Version}\"", $"\"{TestPackage.NativeVersion}\"");
    }

    private string Log => _solution.PathOf("worker.log");

    private int Starts => File.Exists(Log + TestPackage.NativeStarts) ? File.ReadAllLines(Log + TestPackage.NativeStarts).Length : 0;

    public void Dispose() => _solution.Dispose();

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void Build_NativeProgramOfThisPlatform_IsTakenUnlessSwitchedOff()
    {
        _solution.Build("app").CompressedOnly("m.onnx");
        Assert.AreEqual(1, Starts);

        _solution.Build("app", "-p:ModelCompressionNativeWorker=false").CompressedNothing();
        _solution.WriteModel("app/m.onnx", "changed, so that it is compressed again");
        _solution.Build("app", "-p:ModelCompressionNativeWorker=false").CompressedOnly("m.onnx");
        Assert.AreEqual(1, Starts);
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    [DataRow("127")]
    [DataRow("0")]
    public void Build_NativeProgramEndsBeforeItDidAnything_ThePortableWorkerDoesTheWork(string exitCode)
    {
        File.WriteAllText(Log + TestPackage.StopNative, exitCode);
        var build = _solution.Build("app", "-v:n").CompressedOnly("m.onnx");
        Assert.AreEqual(1, Starts);
        Assert.Contains($"The native worker does not run on this machine (exit code {exitCode})", build.Output);
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/m.onnx"));
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void Build_SystemRefusesTheNativeProgram_ThePortableWorkerDoesTheWork()
    {
        _solution.Edit("app/app.csproj", TestPackage.NativeVersion, TestPackage.RefusedVersion);
        var build = _solution.Build("app", "-v:n").CompressedOnly("m.onnx");
        Assert.Contains("The native worker does not run on this machine (", build.Output);
        Assert.IsTrue(_solution.IsCompressed("app/bin/Debug/net10.0/m.onnx"));
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void Build_ModelFails_TheNativeProgramIsNotSuspected()
    {
        _solution.Edit("app/app.csproj", "Include=\"m.onnx\"", "Include=\"m.onnx\" Fake=\"Error\"");
        var build = _solution.Run("build", "app").Failed().CompressedOnly("m.onnx");
        Assert.HasCount(1, build.Errors("MCB4999"), build.Output);
        Assert.AreEqual(1, Starts);
    }
}
