using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Pipeline.Caching;
using ModelCompression.Pipeline.Locking;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Pipeline;

/// <summary>Pipes, folders and links to them where files are expected: a device would do the same, but only an administrator can make one.</summary>
[TestClass]
[OSCondition(OperatingSystems.Linux)]
public sealed class SpecialFilesTests
{
    private const int Patience = 60_000;

    [TestMethod]
    public void OutputFolder_ThatIsAFile_IsRefused_NamingResultAndNextStep()
    {
        using var fixture = new PipelineFixture();
        string folder = Path.GetDirectoryName(fixture.Output)!;
        File.WriteAllText(folder, "in the way");

        Assert.AreEqual(CompressionStatus.Failed, fixture.Run().Status);

        var error = fixture.Diagnostics.Single();
        Assert.AreEqual("MCB4010", error.Code);
        Assert.Contains($"The result '{Path.GetFileName(fixture.Output)}' cannot be written", error.Message);
        Assert.Contains("Check", error.Message);
        Assert.AreEqual("in the way", File.ReadAllText(folder));
    }

    [TestMethod]
    [Timeout(Patience, CooperativeCancellation = false)]
    [DataRow("", false)]
    [DataRow("", true)]
    [DataRow(".report.json", false)]
    [DataRow(".report.html", true)]
    public void Output_ThatIsNoFile_IsRefusedBeforeAnyWork(string suffix, bool isLinked)
    {
        using var fixture = new PipelineFixture();
        Directory.CreateDirectory(Path.GetDirectoryName(fixture.Output)!);
        string place = fixture.Output + suffix;
        Assert.IsTrue(MakePipe(isLinked ? Path.Combine(fixture.Folder, "pipe") : place));
        if (isLinked) File.CreateSymbolicLink(place, Path.Combine(fixture.Folder, "pipe"));
        File.WriteAllText(fixture.Source, "no model: nobody is to look at it");

        Assert.AreEqual(CompressionStatus.Failed, fixture.Run().Status);

        var error = fixture.Diagnostics.Single();
        Assert.AreEqual("MCB4010", error.Code);
        Assert.Contains($"'{place}' cannot be written: it is a named pipe", error.Message);
        Assert.HasCount(1, Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(fixture.Output)!), "only what was there");
    }

    [TestMethod]
    public void Output_ThatIsAFolder_IsRefused()
    {
        using var fixture = new PipelineFixture();
        Directory.CreateDirectory(fixture.Output);

        Assert.AreEqual(CompressionStatus.Failed, fixture.Run().Status);

        Assert.AreEqual("MCB4010", fixture.Diagnostics.Single().Code);
        Assert.Contains("it is a folder", fixture.Diagnostics.Single().Message);
    }

    [TestMethod]
    [Timeout(Patience, CooperativeCancellation = false)]
    public void Source_ThatIsAPipe_IsNotWaitedFor()
    {
        using var fixture = new PipelineFixture();
        File.Delete(fixture.Source);
        Assert.IsTrue(MakePipe(fixture.Source));

        Assert.AreEqual(CompressionStatus.Failed, fixture.Run().Status);

        Assert.AreEqual("MCB2001", fixture.Diagnostics.Single().Code);
        Assert.Contains("named pipe", fixture.Diagnostics.Single().Message);
    }

    [TestMethod]
    [Timeout(Patience, CooperativeCancellation = false)]
    public void LockFileAndData_ThatArePipes_AreNotWaitedFor()
    {
        using var folder = new TemporaryFolder();
        string data = folder.Combine("samples.npz"), locked = folder.Combine("models.lock.json");
        Assert.IsTrue(MakePipe(data));
        Assert.IsTrue(MakePipe(locked));
        using var fixture = new PipelineFixture();

        Assert.AreEqual("MCB5012", Assert.ThrowsExactly<DiagnosticException>(() => LockFile.Read(locked)).Diagnostic.Code);
        Assert.AreEqual(CompressionStatus.Failed, fixture.Run(("ValidationData", data)).Status);
        Assert.AreEqual("MCB3001", fixture.Diagnostics.Single().Code);
        Assert.Contains("named pipe", fixture.Diagnostics.Single().Message);
    }

    [TestMethod]
    [Timeout(Patience, CooperativeCancellation = false)]
    public void CacheEntry_ThatIsAPipe_IsNotWaitedFor()
    {
        using var folder = new TemporaryFolder();
        Assert.IsTrue(MakePipe(folder.Combine("entry")));

        var error = Assert.ThrowsExactly<StoreException>(() => new FolderStore(folder.Path).Get("entry", Stream.Null, 100, CancellationToken.None));

        Assert.Contains("named pipe", error.Message);
    }

    private static bool MakePipe(string path) => ExternalCommand.Run("mkfifo", [path], Path.GetDirectoryName(path)!).ExitCode == 0;
}
