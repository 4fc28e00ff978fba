using System.Globalization;
using System.Security.Cryptography;
using Google.Protobuf;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Testing;
using static ModelCompression.Onnx.Tests.Serialization.SampleModels;

namespace ModelCompression.Onnx.Tests.Serialization;

[TestClass]
public sealed class OnnxWriterTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [TestMethod]
    public void NewModel_HasEveryPart()
    {
        var model = new Model(new OnnxGraph("made")) { IrVersion = 9 };
        model.OpsetImports[""] = 21;
        var x = model.Graph.AddInput("x", new TensorType(DataType.Float, new Shape(Dimension.OfSymbol("N"), 4)));
        var w = model.Graph.AddInitializer("w", Tensor.Float([4], 1, 2, 3, 4));
        var node = model.Graph.AddNode("Clip", [x, null, w], ["y"], [NodeAttribute.Of("a", 1.5f), NodeAttribute.Of("b", 1L, 2L), NodeAttribute.Of("c", "text")], name: "n");
        node.Outputs[0]!.Type = new TensorType(DataType.Float, null);
        model.Graph.AddOutput(node.Outputs[0]!);
        model.SetMetadata("k", "v");

        var proto = ModelProto.Parser.ParseFrom(OnnxWriter.ToBytes(model));

        Assert.AreEqual((9L, 21L, "made"), (proto.IrVersion, proto.OpsetImport.Single().Version, proto.Graph.Name));
        Assert.AreEqual("N", proto.Graph.Input.Single().Type.TensorType.Shape.Dim[0].DimParam);
        Assert.AreEqual(16, proto.Graph.Initializer.Single().RawData.Length);
        CollectionAssert.AreEqual(new[] { "x", "", "w" }, proto.Graph.Node.Single().Input);
        Assert.AreEqual("text", proto.Graph.Node[0].Attribute[2].S.ToStringUtf8());
        Assert.IsNull(proto.Graph.Output.Single().Type.TensorType.Shape);
        Assert.AreEqual(Entry("k", "v"), proto.MetadataProps.Single());
    }

    [TestMethod]
    public void InferredTypes_DoNotChangeWhatTheFileDeclares()
    {
        var proto = Relu();
        proto.Graph.Output[0].Type.TensorType.Shape.Dim[0] = new TensorShapeProto.Types.Dimension { DimParam = "N" };
        proto.Graph.Node.Add(Node("Abs", ["y"], ["inner"]));
        using var model = OnnxReader.Read(proto.ToByteArray());
        model.Graph.Outputs[0].Type = new TensorType(DataType.Float, Shape.Of(3));
        model.Graph.Nodes[1].Outputs[0]!.Type = new TensorType(DataType.Float, Shape.Of(3));

        var written = ModelProto.Parser.ParseFrom(OnnxWriter.ToBytes(model));

        Assert.AreEqual(proto.Graph.Output[0], written.Graph.Output[0]);
        Assert.IsEmpty(written.Graph.ValueInfo);
    }

    [TestMethod]
    public void TypeThatContradictsTheDeclaredOne_ReplacesIt()
    {
        var proto = Relu();
        proto.Graph.Node.Add(Node("Abs", ["y"], ["inner"]));
        proto.Graph.ValueInfo.Add(Info("inner", 3));
        using var model = OnnxReader.Read(proto.ToByteArray());
        model.Graph.Nodes[1].Outputs[0]!.Type = new TensorType(DataType.Float, Shape.Of(2));

        var written = ModelProto.Parser.ParseFrom(OnnxWriter.ToBytes(model));

        Assert.AreEqual(2, written.Graph.ValueInfo.Single().Type.TensorType.Shape.Dim[0].DimValue);
    }

    [TestMethod]
    public void ReplacedInitializer_KeepsItsNameAndOrder()
    {
        var proto = Add(Floats("w", 1, 2, 3));
        proto.Graph.Initializer.Insert(0, Floats("v", 1));
        using var model = OnnxReader.Read(proto.ToByteArray());
        model.Graph.SetInitializer(model.Graph.Initializers[1], Tensor.Create(DataType.Int8, [3], new sbyte[] { 1, 2, 3 }));

        var written = ModelProto.Parser.ParseFrom(OnnxWriter.ToBytes(model));

        CollectionAssert.AreEqual(new[] { "v", "w" }, written.Graph.Initializer.Select(i => i.Name).ToArray());
        Assert.AreEqual(3, written.Graph.Initializer[1].DataType);
    }

    [TestMethod]
    public void TheModelsOwnFile_IsNeverOverwritten()
    {
        string path = folder.Combine("m.onnx");
        byte[] bytes = Relu().ToByteArray();
        File.WriteAllBytes(path, bytes);
        File.CreateSymbolicLink(folder.Combine("link.onnx"), path);
        using var model = OnnxReader.Read(path);
        model.DocString = "changed";

        Assert.AreEqual("MCB4002", BadInput.Refused(() => OnnxWriter.Write(model, path)).Code);
        Assert.AreEqual("MCB4002", BadInput.Refused(() => OnnxWriter.Write(model, folder.Combine("link.onnx"))).Code);

        CollectionAssert.AreEqual(bytes, File.ReadAllBytes(path));
    }

    [TestMethod]
    public void UnwritablePlace_IsRefusedAndLeavesNothing()
    {
        using var model = OnnxReader.Read(Relu().ToByteArray());
        string file = folder.Write("file", "x");
        Directory.CreateDirectory(folder.Combine("taken.onnx"));

        Assert.AreEqual("MCB4001", BadInput.Refused(() => OnnxWriter.Write(model, Path.Combine(folder.Path, "none", "m.onnx"))).Code);
        Assert.AreEqual("MCB4001", BadInput.Refused(() => OnnxWriter.Write(model, Path.Combine(file, "m.onnx"))).Code);
        Assert.AreEqual("MCB4001", BadInput.Refused(() => OnnxWriter.Write(model, folder.Combine("taken.onnx"))).Code);

        CollectionAssert.AreEquivalent(new[] { "file", "taken.onnx" }, Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName).ToArray());
    }

    [TestMethod]
    public void FailureWhileWriting_KeepsTheOldFiles()
    {
        using var model = OnnxReader.Read(Relu().ToByteArray());
        model.Graph.AddOutput(model.Graph.AddInitializer("w", new Tensor(DataType.UInt8, [2048], new FailingData())));
        string path = folder.Write("m.onnx", "old");
        folder.Write("m.onnx.data", "old data");

        Assert.AreEqual("MCB4001", BadInput.Refused(() => OnnxWriter.Write(model, path, 100, default)).Code);
        Assert.AreEqual("MCB4001", BadInput.Refused(() => OnnxWriter.Write(model, path)).Code);

        Assert.AreEqual("old", File.ReadAllText(path));
        Assert.AreEqual("old data", File.ReadAllText(path + ".data"));
        Assert.HasCount(2, Directory.GetFileSystemEntries(folder.Path));
    }

    [TestMethod]
    public void ModelThatCannotBePutIntoPlace_KeepsTheOldData()
    {
        using var model = OnnxReader.Read(Relu().ToByteArray());
        model.Graph.AddOutput(model.Graph.AddInitializer("w", Tensor.Create(DataType.UInt8, [2048], new byte[2048])));
        string path = folder.Combine("m.onnx");
        Directory.CreateDirectory(path);
        folder.Write("m.onnx.data", "old data");

        Assert.AreEqual("MCB4001", BadInput.Refused(() => OnnxWriter.Write(model, path, 100, default)).Code);

        Assert.AreEqual("old data", File.ReadAllText(path + ".data"));
        Assert.HasCount(2, Directory.GetFileSystemEntries(folder.Path));
    }

    [TestMethod]
    public void Cancellation_LeavesNothing()
    {
        using var model = OnnxReader.Read(Relu().ToByteArray());
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => OnnxWriter.Write(model, folder.Combine("m.onnx"), source.Token));
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder.Path));
    }

    [TestMethod]
    public void FullDisk_IsNamed()
    {
        const string FullDevice = "/dev/full";
        if (!File.Exists(FullDevice)) Assert.Inconclusive("Needs a device that is always full.");
        using var model = OnnxReader.Read(Relu().ToByteArray());
        // Without a buffer nothing is left to flush when the stream is disposed.
        using var device = new FileStream(FullDevice, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var error = Assert.ThrowsExactly<IOException>(() => OnnxWriter.Write(model, device));
        Assert.IsTrue(OnnxWriter.IsDiskFull(error));
    }

    [TestMethod]
    public void DiskWithoutEnoughSpace_IsRefusedBeforeAnythingIsWritten()
    {
        using var model = OnnxReader.Read(Relu().ToByteArray());
        long byteLength = 1L << 60;
        model.Graph.AddOutput(model.Graph.AddInitializer("w", new Tensor(DataType.UInt8, [byteLength], new FailingData(byteLength))));
        Assert.AreEqual("MCB4003", BadInput.Refused(() => OnnxWriter.Write(model, folder.Combine("m.onnx"))).Code);
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder.Path));
    }

    [TestMethod]
    [DataRow(100)]
    [DataRow(3_000_001)]
    public void Digest_IsThatOfTheFile(int elements)
    {
        using var model = OnnxReader.Read(Relu().ToByteArray());
        model.Graph.AddOutput(model.Graph.AddInitializer("w", Tensor.Create(DataType.UInt8, [elements], [.. Enumerable.Range(0, elements).Select(i => (byte)(i * 31))])));
        string path = folder.Combine("m.onnx");
        var written = OnnxWriter.Write(model, path);
        Assert.AreEqual(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))), written.Sha256);
    }

    [TestMethod]
    public void WriteAhead_LeavesTheWholeFileAndADigestThatIsThatOfTheFile()
    {
        string path = folder.Combine("ahead.onnx");
        using var model = BigModel();
        using var written = OnnxWriter.WriteAhead(model, path);
        byte[] file = File.ReadAllBytes(path);
        Assert.AreEqual((Path.GetFullPath(path), 0, (long)file.Length), (written.Path, written.ExternalDataFiles.Count, written.ByteLength));
        Assert.AreEqual(Convert.ToHexStringLower(SHA256.HashData(file)), written.Sha256);
    }

    [TestMethod]
    public void WriteAhead_CancelledOrDisposed_StopsTheDigestOnly()
    {
        string path = folder.Combine("stopped.onnx");
        using var model = BigModel();
        using var cancellation = new CancellationTokenSource();
        var written = OnnxWriter.WriteAhead(model, path, cancellation: cancellation.Token);
        cancellation.Cancel();
        try
        {
            // Whether it was faster or not, it is never another one's.
            Assert.AreEqual(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))), written.Sha256);
        }
        catch (OperationCanceledException)
        {
            Assert.IsTrue(cancellation.IsCancellationRequested);
        }

        written.Dispose();
        OnnxWriter.WriteAhead(model, path).Dispose();
        Assert.AreEqual(written.ByteLength, new FileInfo(path).Length);
    }

    /// <summary>The same tensor twice, and one that stays: the file is whole, and what was discarded can be used again.</summary>
    [TestMethod]
    public void WriteAhead_Discards_WhatFileAndDigestArePast()
    {
        const int length = 3 << 20;
        var memory = new RecycledMemory();
        var codes = memory.Allocate(length);
        new Random(7).NextBytes(codes.Memory.Span);
        using var model = BigModel();
        foreach (string name in new[] { "a", "b" }) model.Graph.AddOutput(model.Graph.AddInitializer(name, new Tensor(DataType.UInt8, [length], codes)));
        OnnxWriter.Write(model, folder.Combine("kept.onnx"));
        Assert.AreEqual(0, memory.TryTake(length), "Writing alone discards nothing.");
        string path = folder.Combine("discarded.onnx");
        using var written = OnnxWriter.WriteAhead(model, path, discards: true);
        Assert.AreEqual(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path))), written.Sha256);
        CollectionAssert.AreEqual(File.ReadAllBytes(folder.Combine("kept.onnx")), File.ReadAllBytes(path));
        Assert.ThrowsExactly<ObjectDisposedException>(() => codes.AsSpan<byte>().Length);
        Assert.AreNotEqual(0, memory.TryTake(length));
        Assert.AreNotEqual(0, model.Graph.Initializers[0].Initializer!.AsSpan<float>().Length);
    }

    private static Model BigModel()
    {
        var model = new Model(new OnnxGraph("big")) { IrVersion = 9 };
        model.OpsetImports[""] = 21;
        float[] elements = new float[1 << 22];
        for (int i = 0; i < elements.Length; i++) elements[i] = i % 1000;
        var weight = model.Graph.AddInitializer("w", Tensor.Float([elements.Length], elements));
        model.Graph.AddOutput(model.Graph.AddNode("Identity", [weight], ["y"]).Outputs[0]!);
        return model;
    }

    [TestMethod]
    public void WithoutData_LargeWeightsReferToTheirPlaceInTheFile()
    {
        byte[] large = [.. Enumerable.Range(0, 70_000).Select(i => (byte)(i * 7))];
        string path = folder.Combine("m.onnx");
        using (var made = OnnxReader.Read(Relu().ToByteArray()))
        {
            made.Graph.AddOutput(made.Graph.AddInitializer("large", Tensor.Create(DataType.UInt8, [large.Length], large)));
            made.Graph.AddOutput(made.Graph.AddInitializer("small", Tensor.Create(DataType.UInt8, [3], new byte[] { 1, 2, 3 })));
            OnnxWriter.Write(made, path);
        }

        using var read = OnnxReader.Read(path);
        var tensors = ModelProto.Parser.ParseFrom(OnnxWriter.ToBytesWithoutData(read)).Graph.Initializer.ToDictionary(t => t.Name);
        Assert.AreEqual(3, tensors["small"].RawData.Length);
        Assert.AreEqual(0, tensors["large"].RawData.Length);
        var place = tensors["large"].ExternalData.ToDictionary(e => e.Key, e => e.Value);
        Assert.AreEqual("m.onnx", place["location"]);
        Assert.AreEqual("70000", place["length"]);
        CollectionAssert.AreEqual(large, File.ReadAllBytes(path).AsSpan(int.Parse(place["offset"], CultureInfo.InvariantCulture), large.Length).ToArray());
    }

    [TestMethod]
    public void MoreThanTwoGigabytesInOneStream_IsRefused()
    {
        using var model = OnnxReader.Read(Relu().ToByteArray());
        model.Graph.AddOutput(model.Graph.AddInitializer("w", new Tensor(DataType.UInt8, [1L << 31], new FailingData(1L << 31))));
        Assert.AreEqual("MCB4004", BadInput.Refused(() => OnnxWriter.Write(model, Stream.Null)).Code);
        Assert.AreEqual("MCB4004", BadInput.Refused(() => OnnxWriter.ToBytes(model)).Code);
    }

    /// <summary>Data whose second block cannot be read.</summary>
    private sealed class FailingData(long length = 2048) : TensorData
    {
        public override long ByteLength => length;

        protected override ref readonly byte First => throw new IOException("The device is gone.");

        public override IEnumerable<ReadOnlyMemory<byte>> Blocks()
        {
            yield return new byte[1024];
            throw new IOException("The device is gone.");
        }
    }
}
