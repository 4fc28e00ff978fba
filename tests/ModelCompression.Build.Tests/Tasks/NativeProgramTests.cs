using System.Runtime.Versioning;
using ModelCompression.Build.Worker;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.Tasks;

[TestClass]
public sealed class NativeProgramTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Portable => _folder.Combine("modelcompress.dll");

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void Find_NoProgramOfThisPlatform_IsNull()
    {
        _folder.Write("runtimes/plan9-mips/native/modelcompress", "");
        Assert.IsNull(NativeProgram.Find(Portable));
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    [UnsupportedOSPlatform("windows")]
    public void Find_FileThatMayNotBeExecuted_IsNull()
    {
        string program = _folder.Write($"runtimes/{RuntimePlatform.Current()}/native/modelcompress", "");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.IsNull(NativeProgram.Find(Portable));
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Assert.AreEqual(program, NativeProgram.Find(Portable));
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    [UnsupportedOSPlatform("windows")]
    public void Find_ProgramThatDidNotStart_IsNull()
    {
        string program = _folder.Write($"runtimes/{RuntimePlatform.Current()}/native/modelcompress", "");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        NativeProgram.Forget(program);
        Assert.IsNull(NativeProgram.Find(Portable));
    }
}
