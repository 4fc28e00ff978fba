using Google.Protobuf;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Onnx.Serialization.Proto;
using ModelCompression.Onnx.Tensors;
using static ModelCompression.Onnx.Tests.Serialization.SampleModels;

namespace ModelCompression.Onnx.Tests.Serialization;

[TestClass]
public class TensorReadingTests
{
    [TestMethod]
    [DataRow(DataType.Float, "0000803F000000C0")]
    [DataRow(DataType.UInt8, "FF01")]
    [DataRow(DataType.Int8, "FF01")]
    [DataRow(DataType.UInt16, "FFFF0100")]
    [DataRow(DataType.Int16, "FEFF0100")]
    [DataRow(DataType.Int32, "FEFFFFFF01000000")]
    [DataRow(DataType.Int64, "FEFFFFFFFFFFFFFF0100000000000000")]
    [DataRow(DataType.Bool, "0100")]
    [DataRow(DataType.Float16, "003C00BC")]
    [DataRow(DataType.BFloat16, "803F80BF")]
    [DataRow(DataType.Double, "000000000000F03F0000000000000040")]
    [DataRow(DataType.UInt32, "FFFFFFFF01000000")]
    [DataRow(DataType.UInt64, "FFFFFFFFFFFFFFFF0100000000000000")]
    [DataRow(DataType.Complex64, "0000803F000000C00000004000004040")]
    [DataRow(DataType.Float8E4M3FN, "3800")]
    [DataRow(DataType.Float8E8M0, "7F80")]
    public void TypedElements_BecomeRawBytes(DataType type, string hex)
    {
        byte[] expected = Convert.FromHexString(hex);
        foreach (bool packed in new[] { true, false })
        {
            var proto = TypedTensor(type, expected);
            var tensor = ReadOnly(packed ? proto.ToByteArray() : Unpacked(proto));
            Assert.AreEqual(type, tensor.DataType);
            CollectionAssert.AreEqual(expected, tensor.AsSpan<byte>().ToArray(), $"packed: {packed}");
        }
    }

    [TestMethod]
    [DataRow(DataType.Int4, 3, "2F0D")]
    [DataRow(DataType.UInt4, 4, "21FE")]
    [DataRow(DataType.Float4E2M1, 1, "07")]
    [DataRow(DataType.Int2, 5, "E401")]
    [DataRow(DataType.UInt2, 4, "1B")]
    public void SubByteElements_AreOnePackedByteEachEntry(DataType type, int count, string hex)
    {
        byte[] expected = Convert.FromHexString(hex);
        var proto = new TensorProto { Name = "w", DataType = (int)type, Dims = { count }, Int32Data = { expected.Select(b => (int)b) } };

        var tensor = ReadOnly(proto);

        Assert.AreEqual(count, tensor.ElementCount);
        CollectionAssert.AreEqual(expected, tensor.AsSpan<byte>().ToArray());
    }

    [TestMethod]
    public void ElementsInSeveralRuns_AreJoined()
    {
        // float_data twice: once packed, once as a single element.
        byte[] tensor = [0x08, 3, 0x10, 1, 0x42, 1, (byte)'w', 0x22, 8, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0x25, 0, 0, 0x40, 0x40];

        CollectionAssert.AreEqual(new float[] { 1, 2, 3 }, ReadOnly(tensor).AsSpan<float>().ToArray());
    }

    [TestMethod]
    public void RawDataWins_WhereBothFormsAreGiven()
    {
        var proto = Floats("w", 1);
        proto.RawData = ByteString.CopyFrom(BitConverter.GetBytes(2f));
        Assert.AreEqual(2f, ReadOnly(proto).AsSpan<float>()[0]);
    }

    [TestMethod]
    public void Strings_AreKeptAsBytes()
    {
        var tensor = ReadOnly(new TensorProto { Name = "w", DataType = 8, Dims = { 2 }, StringData = { ByteString.CopyFrom(0xFF), ByteString.Empty } });
        CollectionAssert.AreEqual(new byte[] { 0xFF }, tensor.Strings![0].ToArray());
        Assert.AreEqual(0, tensor.Strings[1].Length);
    }

    [TestMethod]
    public void EmptyAndScalarTensors_AreRead()
    {
        Assert.AreEqual(0, ReadOnly(new TensorProto { Name = "w", DataType = 1, Dims = { 3, 0 } }).ElementCount);
        Assert.AreEqual(5f, ReadOnly(new TensorProto { Name = "w", DataType = 1, FloatData = { 5 } }).AsSpan<float>()[0]);
    }

    [TestMethod]
    public void ShapesThatDoNotFitTheData_AreRefusedByName()
    {
        var short4 = new TensorProto { Name = "w", DataType = 1, Dims = { 4 }, RawData = ByteString.CopyFrom(new byte[12]) };
        var long4 = new TensorProto { Name = "w", DataType = 1, Dims = { 4 }, RawData = ByteString.CopyFrom(new byte[20]) };
        var typed = new TensorProto { Name = "w", DataType = 1, Dims = { 4 }, FloatData = { 1, 2, 3 } };
        var ints = new TensorProto { Name = "w", DataType = 7, Dims = { 4 }, Int64Data = { 1, 2, 3 } };
        var strings = new TensorProto { Name = "w", DataType = 8, Dims = { 4 } };
        var none = new TensorProto { Name = "w", DataType = 1, Dims = { 4 } };
        var wrongList = new TensorProto { Name = "w", DataType = 1, Dims = { 1 }, Int32Data = { 1 } };
        var negative = new TensorProto { Name = "w", DataType = 1, Dims = { -1 } };
        var overflow = new TensorProto { Name = "w", DataType = 1, Dims = { 1L << 40, 1L << 40 } };
        var overflowInBytes = new TensorProto { Name = "w", DataType = 11, Dims = { long.MaxValue / 2 } };
        var hugeButZero = new TensorProto { Name = "w", DataType = 1, Dims = { 1L << 40, 1L << 40, 0, -1 } };
        var hugeUnbacked = new TensorProto { Name = "w", DataType = 2, Dims = { 1L << 60 }, Int32Data = { 1 } };
        foreach (var proto in new[] { short4, long4, typed, ints, strings, none, wrongList, negative, overflow, overflowInBytes, hugeButZero, hugeUnbacked })
        {
            var diagnostic = BadInput.Refused(Add(proto));
            Assert.AreEqual("MCB2011", diagnostic.Code);
            Assert.Contains("'w'", diagnostic.Message);
        }
    }

    [TestMethod]
    public void UnknownTypesAndSegments_AreRefused()
    {
        var type = new TensorProto { Name = "w", DataType = 99, Dims = { 1 } };
        var undefined = new TensorProto { Name = "w", Dims = { 1 } };
        var segment = Floats("w", 1);
        segment.Segment = new() { Begin = 0, End = 1 };
        foreach (var proto in new[] { type, undefined, segment }) Assert.AreEqual("MCB2012", BadInput.Refused(Add(proto)).Code);
    }

    [TestMethod]
    public void SparseTensorsThatDoNotFit_AreRefused()
    {
        var indices = new TensorProto { DataType = 7, Dims = { 3 }, Int64Data = { 0, 1, 2 } };
        var kind = new TensorProto { DataType = 1, Dims = { 2 }, FloatData = { 0, 1 } };
        foreach (var bad in new[] { indices, kind })
        {
            var proto = Relu();
            proto.Graph.SparseInitializer.Add(new SparseTensorProto { Values = Floats("s", 1, 2), Indices = bad, Dims = { 4 } });
            Assert.AreEqual("MCB2011", BadInput.Refused(proto).Code);
        }
    }

    private static TensorProto TypedTensor(DataType type, byte[] raw)
    {
        int width = Math.Max(1, type.BitWidth() / 8);
        var proto = new TensorProto { Name = "w", DataType = (int)type, Dims = { raw.Length / width } };
        for (int i = 0; i < raw.Length; i += width)
        {
            switch (type)
            {
                case DataType.Float: proto.FloatData.Add(BitConverter.ToSingle(raw, i)); break;
                case DataType.Complex64: proto.FloatData.Add([BitConverter.ToSingle(raw, i), BitConverter.ToSingle(raw, i + 4)]); break;
                case DataType.Double: proto.DoubleData.Add(BitConverter.ToDouble(raw, i)); break;
                case DataType.Int64: proto.Int64Data.Add(BitConverter.ToInt64(raw, i)); break;
                case DataType.UInt64: proto.Uint64Data.Add(BitConverter.ToUInt64(raw, i)); break;
                case DataType.UInt32: proto.Uint64Data.Add(BitConverter.ToUInt32(raw, i)); break;
                case DataType.Int32: proto.Int32Data.Add(BitConverter.ToInt32(raw, i)); break;
                case DataType.Int16: proto.Int32Data.Add(BitConverter.ToInt16(raw, i)); break;
                case DataType.Int8: proto.Int32Data.Add((sbyte)raw[i]); break;
                default: proto.Int32Data.Add(width == 2 ? BitConverter.ToUInt16(raw, i) : raw[i]); break;
            }
        }

        return proto;
    }

    /// <summary>The bytes of the tensor with each element under a tag of its own.</summary>
    private static byte[] Unpacked(TensorProto proto)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
        {
            foreach (float value in proto.FloatData) { output.WriteTag(4, WireFormat.WireType.Fixed32); output.WriteFloat(value); }
            foreach (int value in proto.Int32Data) { output.WriteTag(5, WireFormat.WireType.Varint); output.WriteInt32(value); }
            foreach (long value in proto.Int64Data) { output.WriteTag(7, WireFormat.WireType.Varint); output.WriteInt64(value); }
            foreach (double value in proto.DoubleData) { output.WriteTag(10, WireFormat.WireType.Fixed64); output.WriteDouble(value); }
            foreach (ulong value in proto.Uint64Data) { output.WriteTag(11, WireFormat.WireType.Varint); output.WriteUInt64(value); }
        }

        return [.. new TensorProto { Name = proto.Name, DataType = proto.DataType, Dims = { proto.Dims } }.ToByteArray(), .. stream.ToArray()];
    }

    private static Tensor ReadOnly(TensorProto proto) => ReadOnly(proto.ToByteArray());

    /// <summary>Reads a tensor as the initializer of a model.</summary>
    private static Tensor ReadOnly(byte[] tensor)
    {
        var model = Relu();
        byte[] graph = [.. model.Graph.ToByteArray(), 0x2A, (byte)tensor.Length, .. tensor];
        model.Graph = null;
        using var read = OnnxReader.Read((byte[])[.. model.ToByteArray(), .. Prefixed(graph)]);
        return read.Graph.Initializers[0].Initializer!;
    }

    private static byte[] Prefixed(byte[] graph)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
        {
            output.WriteTag(7, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(ByteString.CopyFrom(graph));
        }

        return stream.ToArray();
    }
}
