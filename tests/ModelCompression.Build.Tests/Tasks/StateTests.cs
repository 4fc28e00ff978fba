using ModelCompression.Build.Items;
using ModelCompression.Build.State;
using ModelCompression.Build.Worker;
using ModelCompression.Testing;

namespace ModelCompression.Build.Tests.Tasks;

[TestClass]
public sealed class StateTests
{
    private readonly RecordingBuildEngine _engine = new();

    [TestMethod]
    public void Write_StateWithOddTexts_ReadsBackTheSame()
    {
        using var folder = new TemporaryFolder();
        var state = new ModelState { Key = "key 1\nset\ta\tb\n", OriginalBytes = 5_000_000_000, CompressedBytes = 7, Summary = "tab\there, line\nthere \\ end" };
        state.Inputs.Add(new InputRecord("a\tb.onnx", new FileStamp(1, 2), "ab"));
        state.Dependencies.Add(new InputRecord("d.bin", FileStamp.Missing, ""));
        state.Outputs.Add(new OutputRecord("out/a.onnx", new FileStamp(3, 4), "cd"));
        state.Reports.Add("out/a.onnx.report.json");
        string path = folder.Combine("s.state");
        state.Write(path);
        state.Write(path);

        var read = ModelState.Read(path)!;
        Assert.AreEqual(state.Key, read.Key);
        Assert.AreEqual(("a\tb.onnx", new FileStamp(1, 2), "ab"), (read.Inputs[0].Name, read.Inputs[0].Stamp, read.Inputs[0].Sha256));
        Assert.AreEqual(FileStamp.Missing, read.Dependencies[0].Stamp);
        Assert.AreEqual((5_000_000_000, 7L, state.Summary, "cd", "out/a.onnx.report.json"), (read.OriginalBytes, read.CompressedBytes, read.Summary, read.Sha256, read.Reports[0]));
        Assert.HasCount(1, Directory.GetFiles(folder.Path));
    }

    [TestMethod]
    public void Read_TruncatedState_IsNoState()
    {
        using var folder = new TemporaryFolder();
        var state = new ModelState { Key = "key\n", Summary = "s" };
        state.Outputs.Add(new OutputRecord("a.onnx", new FileStamp(3, 4), "cd"));
        string path = folder.Combine("s.state");
        state.Write(path);
        string text = File.ReadAllText(path);
        int resultLine = text.IndexOf("result", StringComparison.Ordinal);
        for (int length = 0; length <= resultLine; length++)
        {
            File.WriteAllText(path, text[..length]);
            Assert.IsNull(ModelState.Read(path), text[..length]);
        }
    }

    [TestMethod]
    public void Sha256_OfAFile_IsLowerCaseHex()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", FileStamp.Sha256(folder.Write("f", "abc")));
    }

    /// <summary>Everything the build side opens itself: what it only looks at is the worker's to refuse.</summary>
    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    [Timeout(60_000, CooperativeCancellation = false)]
    public void Pipes_AreNotWaitedFor()
    {
        using var folder = new TemporaryFolder();
        foreach (string name in new[] { "a.onnx.state", "models.lock.json", OutputIndex.FileName, OutputIndex.AdditionalFileName, "worker.dll" })
            Assert.AreEqual(0, ExternalCommand.Run("mkfifo", [folder.Combine(name)], folder.Path).ExitCode);
        var index = new OutputIndex(folder.Path + "/");

        Assert.IsNull(ModelState.Read(folder.Combine("a.onnx.state")));
        Assert.AreEqual("the lock file does not have it", new LockedEntries(folder.Combine("models.lock.json"), false, folder.Combine("a.csproj")).ReasonToCompress(new ModelItem()));
        Assert.IsEmpty(index.Orphans([]));
        Assert.HasCount(64, WorkerIdentity.Compute(folder.Combine("worker.dll"), folder.Path, remember: false));
        index.UpdateAdditional([]);
        Assert.IsFalse(File.Exists(folder.Combine(OutputIndex.AdditionalFileName)), "the targets would read it");
    }

    [TestMethod]
    public void Update_IndexWithoutAFile_DeletesItAndItsEmptyFolders()
    {
        using var folder = new TemporaryFolder();
        foreach (string file in new[] { "deep/er/a", "deep/b", "foreign" }) folder.Write(file, "");
        var index = new OutputIndex(folder.Path + "/");
        index.Update(["deep/er/a", "deep/b"]);
        CollectionAssert.AreEqual(new[] { "deep/er/a" }, index.Orphans(["deep/b"]).ToArray());
        index.Update(["deep/b"]);
        Assert.IsFalse(Directory.Exists(Path.Combine(folder.Path, "deep/er")));
        Assert.IsTrue(File.Exists(Path.Combine(folder.Path, "deep/b")));
        index.Update([]);
        Assert.IsFalse(Directory.Exists(Path.Combine(folder.Path, "deep")));
        Assert.IsTrue(File.Exists(Path.Combine(folder.Path, "foreign")));
    }

    [TestMethod]
    public void Copy_ReadOnlyFile_MakesAWritableOne()
    {
        using var folder = new TemporaryFolder();
        string source = folder.Write("a", "content");
        File.SetAttributes(source, FileAttributes.ReadOnly);
        AtomicFile.Copy(source, folder.Combine("b"));
        AtomicFile.Copy(source, folder.Combine("b"));
        Assert.AreEqual("content", File.ReadAllText(folder.Combine("b")));
        Assert.IsFalse(File.GetAttributes(folder.Combine("b")).HasFlag(FileAttributes.ReadOnly));
        File.SetAttributes(source, FileAttributes.Normal);
    }

    [TestMethod]
    public void Acquire_HeldByAnother_WaitsAndThenGetsIt()
    {
        using var folder = new TemporaryFolder();
        string output = folder.Combine("out", "a.onnx");
        var first = OutputLocks.Acquire([output], _engine, () => { }, new Cancellation());
        using var waiting = new ManualResetEventSlim();
        var second = Task.Run(() => OutputLocks.Acquire([output, folder.Combine("out", "b.onnx")], _engine, waiting.Set, new Cancellation()).Dispose());
        Assert.IsTrue(waiting.Wait(TimeSpan.FromSeconds(10)));
        Assert.IsFalse(second.Wait(100));
        first.Dispose();
        Assert.IsTrue(second.Wait(TimeSpan.FromSeconds(10)));
        Assert.IsEmpty(Directory.GetFiles(Path.Combine(folder.Path, "out")));
    }

    [TestMethod]
    public void Acquire_CancelledWhileWaiting_GivesUp()
    {
        using var folder = new TemporaryFolder();
        string output = folder.Combine("a.onnx");
        using var first = OutputLocks.Acquire([output], _engine, () => { }, new Cancellation());
        var cancellation = new Cancellation();
        Assert.ThrowsExactly<OperationCanceledException>(() => OutputLocks.Acquire([output], _engine, cancellation.Request, cancellation));
    }
}
