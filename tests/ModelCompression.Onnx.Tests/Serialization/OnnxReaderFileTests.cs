using System.IO.Compression;
using Google.Protobuf;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Testing;

namespace ModelCompression.Onnx.Tests.Serialization;

[TestClass]
public sealed class OnnxReaderFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [TestMethod]
    public void MissingFile_IsRefused() =>
        Assert.AreEqual("MCB2001", BadInput.RefusedFile(folder.Combine("none.onnx")).Code);

    [TestMethod]
    public void Folder_IsRefused() => Assert.AreEqual("MCB2001", BadInput.RefusedFile(folder.Path).Code);

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    [Timeout(60_000, CooperativeCancellation = false)]
    public void Pipe_IsRefusedAndNotWaitedFor()
    {
        string path = folder.Combine("m.onnx");
        Assert.AreEqual(0, ExternalCommand.Run("mkfifo", [path], folder.Path).ExitCode);
        Assert.AreEqual("a named pipe", FileKind.OtherThanFile(path));
        Assert.AreEqual("MCB2001", BadInput.RefusedFile(path).Code);
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Kinds_AreTold()
    {
        File.CreateSymbolicLink(folder.Combine("file"), folder.Write("m.onnx", "x"));
        File.CreateSymbolicLink(folder.Combine("nothing"), folder.Combine("none"));
        File.CreateSymbolicLink(folder.Combine("folder"), folder.Path);
        Assert.IsNull(FileKind.OtherThanFile(folder.Combine("file")));
        Assert.IsNull(FileKind.OtherThanFile(folder.Combine("nothing")));
        Assert.AreEqual("a folder", FileKind.OtherThanFile(folder.Combine("folder")));
        Assert.AreEqual("a character device", FileKind.OtherThanFile("/dev/null"));
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("a\0b")]
    public void ImpossiblePath_IsRefused(string path) => Assert.AreEqual("MCB2001", BadInput.RefusedFile(path).Code);

    [TestMethod]
    public void UnreadableFile_IsRefused()
    {
        if (OperatingSystem.IsWindows() || Environment.UserName == "root")
        {
            Assert.Inconclusive("Needs a user whom permissions bind.");
            return;
        }

        string path = folder.Write("m.onnx", "x");
        File.SetUnixFileMode(path, UnixFileMode.None);
        Assert.AreEqual("MCB2001", BadInput.RefusedFile(path).Code);
    }

    [TestMethod]
    public void EmptyFile_IsRefused() => Assert.AreEqual("MCB2002", BadInput.RefusedFile(folder.Write("m.onnx", "")).Code);

    [TestMethod]
    [DataRow("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull")]
    [DataRow("<!DOCTYPE html><html><body>404</body></html>", "text")]
    [DataRow("ir_version: 8\ngraph { name: \"g\" }\n", "text")]
    [DataRow("\u20ac and more words, all of them harmless", "text")]
    public void Text_IsRefusedAndRecognized(string content, string recognized)
    {
        var diagnostic = BadInput.RefusedFile(folder.Write("m.onnx", content));
        Assert.AreEqual("MCB2002", diagnostic.Code);
        Assert.Contains(recognized, diagnostic.Message);
    }

    [TestMethod]
    public void ZipArchive_IsRefusedAndRecognized()
    {
        string path = folder.Combine("m.onnx");
        using (var zip = ZipFile.Open(path, ZipArchiveMode.Create)) zip.CreateEntry("data.pkl");
        var diagnostic = BadInput.RefusedFile(path);
        Assert.AreEqual("MCB2002", diagnostic.Code);
        Assert.Contains("zip", diagnostic.Message);
    }

    [TestMethod]
    public void Png_IsRefusedAndRecognized()
    {
        string path = folder.Combine("m.onnx");
        File.WriteAllBytes(path, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13]);
        Assert.Contains("PNG", BadInput.RefusedFile(path).Message);
    }

    [TestMethod]
    public void Link_IsFollowed()
    {
        string target = folder.Combine("store", "blob");
        File.WriteAllBytes(target, SampleModels.Relu().ToByteArray());
        string link = folder.Combine("m.onnx");
        File.CreateSymbolicLink(link, target);
        using var model = OnnxReader.Read(link);
        Assert.HasCount(1, model.Graph.Nodes);
        Assert.AreEqual(Path.GetFullPath(link), model.SourcePath);
    }

    [TestMethod]
    public void DisposedModel_RefusesItsWeights()
    {
        string path = folder.Combine("m.onnx");
        File.WriteAllBytes(path, SampleModels.Add(SampleModels.Floats("w", 1, 2, 3)).ToByteArray());
        var model = OnnxReader.Read(path);
        var tensor = model.Graph.Initializers[0].Initializer!;
        CollectionAssert.AreEqual(new float[] { 1, 2, 3 }, tensor.AsSpan<float>().ToArray());

        model.Dispose();

        Assert.ThrowsExactly<ObjectDisposedException>(() => tensor.AsSpan<float>().Length);
        Assert.AreEqual(12, tensor.ByteLength);
    }

    [TestMethod]
    public void FailedReading_LeavesTheFileFree()
    {
        string path = folder.Combine("m.onnx");
        File.WriteAllBytes(path, [0x08, 0x08]);
        Assert.AreEqual("MCB2002", BadInput.RefusedFile(path).Code);
        using var exclusive = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.AreEqual(2, exclusive.Length);
    }
}
