using System.Globalization;
using Google.Protobuf;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Testing;
using static ModelCompression.Onnx.Tests.Serialization.SampleModels;

namespace ModelCompression.Onnx.Tests.Serialization;

[TestClass]
public sealed class ExternalDataTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [TestMethod]
    public void DataAtAnOffset_IsMapped()
    {
        File.WriteAllBytes(folder.Combine("w.bin"), [9, 9, 9, .. Bytes(1, 2, 3), 9]);

        using var model = OnnxReader.Read(Save("w.bin", ("offset", "3"), ("length", "12")));

        CollectionAssert.AreEqual(new float[] { 1, 2, 3 }, model.Graph.Initializers[0].Initializer!.AsSpan<float>().ToArray());
        CollectionAssert.AreEqual(new[] { folder.Combine("w.bin") }, model.ExternalDataFiles.ToArray());
    }

    [TestMethod]
    public void MissingLength_MeansToTheEnd()
    {
        File.WriteAllBytes(folder.Combine("w.bin"), Bytes(0, 1, 2, 3));
        using var model = OnnxReader.Read(Save("w.bin", ("offset", "4")));
        CollectionAssert.AreEqual(new float[] { 1, 2, 3 }, model.Graph.Initializers[0].Initializer!.AsSpan<float>().ToArray());
    }

    [TestMethod]
    [DataRow("sub/w.bin")]
    [DataRow("sub/../sub/./w.bin")]
    public void FileInASubfolder_IsRead(string location)
    {
        File.WriteAllBytes(folder.Combine("sub", "w.bin"), Bytes(1, 2, 3));
        using var model = OnnxReader.Read(Save(location));
        Assert.AreEqual(3f, model.Graph.Initializers[0].Initializer!.AsSpan<float>()[2]);
    }

    [TestMethod]
    [DataRow("../w.bin")]
    [DataRow("sub/../../w.bin")]
    [DataRow("/etc/hostname")]
    [DataRow("C:\\w.bin")]
    [DataRow("w\0.bin")]
    [DataRow("")]
    [DataRow(".")]
    public void LocationOutsideTheFolder_IsRefused(string location)
    {
        File.WriteAllBytes(folder.Combine("w.bin"), Bytes(1, 2, 3));
        var diagnostic = BadInput.RefusedFile(Save(location, "models/m.onnx"));
        Assert.AreEqual("MCB2013", diagnostic.Code);
        Assert.Contains("'w'", diagnostic.Message);
    }

    [TestMethod]
    public void LinkThatLeadsOutside_IsRefused()
    {
        string outside = folder.Combine("outside", "w.bin");
        File.WriteAllBytes(outside, Bytes(1, 2, 3));
        File.CreateSymbolicLink(folder.Combine("models", "w.bin"), outside);
        Directory.CreateSymbolicLink(folder.Combine("models", "sub"), Path.GetDirectoryName(outside)!);
        Assert.AreEqual("MCB2013", BadInput.RefusedFile(Save("w.bin", "models/m.onnx")).Code);
        Assert.AreEqual("MCB2013", BadInput.RefusedFile(Save("sub/w.bin", "models/m.onnx")).Code);
    }

    [TestMethod]
    public void LinkThatStaysInside_IsFollowed()
    {
        File.WriteAllBytes(folder.Combine("real.bin"), Bytes(1, 2, 3));
        File.CreateSymbolicLink(folder.Combine("w.bin"), "real.bin");
        using var model = OnnxReader.Read(Save("w.bin"));
        CollectionAssert.AreEqual(new[] { folder.Combine("real.bin") }, model.ExternalDataFiles.ToArray());
    }

    [TestMethod]
    public void LinkToItself_IsRefused()
    {
        File.CreateSymbolicLink(folder.Combine("w.bin"), "w.bin");
        Assert.AreEqual("MCB2014", BadInput.RefusedFile(Save("w.bin")).Code);
    }

    [TestMethod]
    public void MissingFile_IsRefusedByTensor()
    {
        var diagnostic = BadInput.RefusedFile(Save("none.bin"));
        Assert.AreEqual("MCB2014", diagnostic.Code);
        Assert.Contains("'w'", diagnostic.Message);
        Assert.Contains("'none.bin'", diagnostic.Message);
    }

    [TestMethod]
    public void FolderInsteadOfAFile_IsRefused()
    {
        Directory.CreateDirectory(folder.Combine("w.bin"));
        Assert.AreEqual("MCB2014", BadInput.RefusedFile(Save("w.bin")).Code);
    }

    [TestMethod]
    [DataRow("0", "13")]
    [DataRow("4", "12")]
    [DataRow("9223372036854775807", "12")]
    [DataRow("9223372036854775800", "9223372036854775800")]
    [DataRow("18446744073709551615", "12")]
    [DataRow("-4", "12")]
    [DataRow("0", "-1")]
    [DataRow("0x0", "12")]
    [DataRow("", "12")]
    public void OffsetAndLengthOutsideTheFile_AreRefused(string offset, string length)
    {
        File.WriteAllBytes(folder.Combine("w.bin"), Bytes(1, 2, 3));
        Assert.AreEqual("MCB2015", BadInput.RefusedFile(Save("w.bin", ("offset", offset), ("length", length))).Code);
    }

    [TestMethod]
    [DataRow("8")]
    [DataRow("11")]
    public void LengthThatDoesNotFitTheShape_IsRefused(string length)
    {
        File.WriteAllBytes(folder.Combine("w.bin"), Bytes(1, 2, 3));
        Assert.AreEqual("MCB2011", BadInput.RefusedFile(Save("w.bin", ("length", length))).Code);
    }

    [TestMethod]
    public void EmptyFile_IsRefused()
    {
        File.WriteAllBytes(folder.Combine("w.bin"), []);
        Assert.AreEqual("MCB2015", BadInput.RefusedFile(Save("w.bin")).Code);
    }

    [TestMethod]
    public void ModelInMemory_HasNoFolder() =>
        Assert.AreEqual("MCB2013", BadInput.Refused(Add(External("w.bin"))).Code);

    [TestMethod]
    public void ModelBeyondTheLimit_IsWrittenWithExternalData()
    {
        using var model = Large();
        string path = folder.Combine("big.onnx");

        var written = OnnxWriter.Write(model, path, maxMessageByteLength: 4096, default);

        CollectionAssert.AreEqual(new[] { path + ".data" }, written.ExternalDataFiles.ToArray());
        Assert.AreEqual(new FileInfo(path).Length + new FileInfo(path + ".data").Length, written.ByteLength);
        using var again = OnnxReader.Read(path);
        Assert.IsEmpty(MessageComparer.Compare(OnnxWriter.ToBytes(model), OnnxWriter.ToBytes(again)));
        var places = ModelProto.Parser.ParseFrom(File.ReadAllBytes(path)).Graph.Initializer.Where(t => t.ExternalData.Count > 0).ToList();
        CollectionAssert.AreEqual(new[] { "w1", "w2" }, places.Select(t => t.Name).ToArray());
        foreach (var place in places)
            Assert.AreEqual(0, long.Parse(place.ExternalData[1].Value, CultureInfo.InvariantCulture) % (place.Name == "w2" ? 65536 : 4096));
    }

    [TestMethod]
    public void RewritingAModelWithExternalData_GivesTheSameBytes()
    {
        using var model = Large();
        OnnxWriter.Write(model, folder.Combine("a", "m.onnx"), 4096, default);
        using var again = OnnxReader.Read(folder.Combine("a", "m.onnx"));
        OnnxWriter.Write(again, folder.Combine("b", "m.onnx"), 4096, default);
        foreach (string file in new[] { "m.onnx", "m.onnx.data" })
            CollectionAssert.AreEqual(File.ReadAllBytes(folder.Combine("a", file)), File.ReadAllBytes(folder.Combine("b", file)));
    }

    [TestMethod]
    public void OldDataFile_IsReplacedNotAppendedTo()
    {
        using var model = Large();
        string path = folder.Combine("m.onnx");
        var first = OnnxWriter.Write(model, path, 4096, default);
        var second = OnnxWriter.Write(model, path, 4096, default);
        Assert.AreEqual(first.ByteLength, second.ByteLength);
        Assert.HasCount(2, Directory.GetFiles(folder.Path));
    }

    /// <summary>A constant tensor of 4 KiB, one of 1 MiB and a small one.</summary>
    private static Model Large()
    {
        var model = OnnxReader.Read(Relu().ToByteArray());
        foreach (var (name, count) in new[] { ("w1", 1024), ("small", 8), ("w2", 1 << 18) })
        {
            var value = model.Graph.AddInitializer(name, Tensor.Float([count], [.. Enumerable.Range(0, count).Select(i => (float)i)]));
            model.Graph.AddOutput(value);
        }

        return model;
    }

    private string Save(string location, params (string Key, string Value)[] entries) => Save(location, "m.onnx", entries);

    private string Save(string location, string path, params (string Key, string Value)[] entries)
    {
        string full = folder.Combine(path.Split('/'));
        File.WriteAllBytes(full, Add(External(location, entries)).ToByteArray());
        return full;
    }

    private static TensorProto External(string location, params (string Key, string Value)[] entries)
    {
        var tensor = new TensorProto { Name = "w", DataType = 1, Dims = { 3 }, DataLocation = TensorProto.Types.DataLocation.External };
        tensor.ExternalData.Add(Entry("location", location));
        tensor.ExternalData.Add(entries.Select(e => Entry(e.Key, e.Value)));
        return tensor;
    }

    private static byte[] Bytes(params float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];
}
