using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Pipeline;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Pipeline;

[TestClass]
public sealed class StagingFolderTests
{
    [TestMethod]
    public void Publish_ResultInThePlaceOfExternalData_IsRefusedAndChangesNothing()
    {
        using var folder = new TemporaryFolder();
        string source = folder.Write("m.onnx", "model"), data = folder.Write("weights.bin", "weights");
        using var staging = new StagingFolder(data);
        File.WriteAllText(staging.ModelPath, "compressed");

        var error = Assert.ThrowsExactly<DiagnosticException>(() => staging.Publish([source, data]));
        Assert.AreEqual("MCB4002", error.Diagnostic.Code);
        Assert.AreEqual("weights", File.ReadAllText(data));
    }

    [TestMethod]
    public void Publish_NewExternalDataInThePlaceOfTheSources_IsRefusedBeforeAnythingMoves()
    {
        using var folder = new TemporaryFolder();
        string source = folder.Write("m.onnx", "model"), data = folder.Write("small.onnx.data", "weights"), output = folder.Combine("small.onnx");
        using var staging = new StagingFolder(output);
        File.WriteAllText(staging.ModelPath, "compressed");
        File.WriteAllText(Path.Combine(staging.Folder, "a.data"), "more");
        File.WriteAllText(Path.Combine(staging.Folder, "small.onnx.data"), "new weights");

        Assert.ThrowsExactly<DiagnosticException>(() => staging.Publish([source, data]));
        Assert.AreEqual("weights", File.ReadAllText(data));
        Assert.IsFalse(File.Exists(output));
        Assert.IsFalse(File.Exists(folder.Combine("a.data")));
    }

    [TestMethod]
    public void Publish_OriginalBesideItsSource_SharesTheExternalData()
    {
        using var folder = new TemporaryFolder();
        string source = folder.Write("m.onnx", "model"), data = folder.Write("weights.bin", "weights"), output = folder.Combine("other.onnx");
        var written = File.GetLastWriteTimeUtc(data).AddDays(-1);
        File.SetLastWriteTimeUtc(data, written);
        using var staging = new StagingFolder(output);
        staging.ReplaceWithOriginal(source, [data]);

        Assert.IsEmpty(staging.Publish([source, data]));
        Assert.AreEqual("model", File.ReadAllText(output));
        Assert.AreEqual(written, File.GetLastWriteTimeUtc(data), "the source's file stays untouched");
    }
}
