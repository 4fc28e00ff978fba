using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Pipeline;
using ModelCompression.Testing;
using ModelCompression.Tests.Runtime;

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

    [TestMethod]
    [DataRow("of a result of ours", true)]
    [DataRow("of a result without provenance", false)]
    [DataRow("nobody refers to it", false)]
    [DataRow("the source's", false)]
    [DataRow("the result cannot be read", false)]
    public void Publish_TakesAwayWeightsThatOnlyTheOldResultNeeded(string data, bool goes)
    {
        using var folder = new TemporaryFolder();
        string output = folder.Combine("small.onnx"), weights = output + ".data", source = folder.Write("m.onnx", "model");
        using (var old = SmallModel.Rectified(0.5f))
        {
            if (data != "of a result without provenance") Provenance.Stamp(old, new Dictionary<string, string>(), new string('0', 64));
            old.Graph.AddInitializer("large", Tensor.Float([1000], new float[1000]));
            OnnxWriter.Write(old, output, data == "nobody refers to it" ? long.MaxValue : 200, CancellationToken.None);
        }

        if (data == "nobody refers to it") File.WriteAllText(weights, "somebody's");
        if (data == "the result cannot be read") File.WriteAllText(output, "no model");
        Assert.IsTrue(File.Exists(weights));
        using var staging = new StagingFolder(output);
        File.WriteAllText(staging.ModelPath, "compressed");
        staging.Publish(data == "the source's" ? [source, weights] : [source]);
        Assert.AreEqual("compressed", File.ReadAllText(output));
        Assert.AreEqual(!goes, File.Exists(weights));
    }

    [TestMethod]
    public void Publish_NewWeightsInThePlaceOfOldOnes_Stay()
    {
        using var folder = new TemporaryFolder();
        string output = folder.Combine("small.onnx");
        using var model = SmallModel.Rectified(0.5f);
        Provenance.Stamp(model, new Dictionary<string, string>(), new string('0', 64));
        model.Graph.AddInitializer("large", Tensor.Float([1000], new float[1000]));
        OnnxWriter.Write(model, output, 200, CancellationToken.None);
        using var staging = new StagingFolder(output);
        OnnxWriter.Write(model, staging.ModelPath, 200, CancellationToken.None);
        File.WriteAllText(staging.ModelPath + ".data", "new");
        staging.Publish([]);
        Assert.AreEqual("new", File.ReadAllText(output + ".data"));
    }
}
