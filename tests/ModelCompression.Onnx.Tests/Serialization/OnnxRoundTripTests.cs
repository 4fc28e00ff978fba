using Google.Protobuf;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Testing;

namespace ModelCompression.Onnx.Tests.Serialization;

[TestClass]
public class OnnxRoundTripTests
{
    [TestMethod]
    public void ModelWithEveryMessage_IsEqualAfterwards()
    {
        byte[] original = SampleModels.Everything().ToByteArray();
        using var model = OnnxReader.Read(original);

        byte[] first = OnnxWriter.ToBytes(model);

        Assert.IsEmpty(MessageComparer.Compare(original, first), string.Join('\n', MessageComparer.Compare(original, first)));
    }

    [TestMethod]
    public void SecondWrite_IsByteIdentical()
    {
        using var model = OnnxReader.Read(SampleModels.Everything().ToByteArray());
        byte[] first = OnnxWriter.ToBytes(model);
        using var again = OnnxReader.Read(first);

        CollectionAssert.AreEqual(first, OnnxWriter.ToBytes(again));
        CollectionAssert.AreEqual(first, OnnxWriter.ToBytes(model), "writing has changed the model");
    }

    [TestMethod]
    public void FileStreamAndArray_HoldTheSameBytes()
    {
        using var folder = new TemporaryFolder();
        using var model = OnnxReader.Read(SampleModels.Everything().ToByteArray());
        using var stream = new MemoryStream();

        var written = OnnxWriter.Write(model, folder.Combine("m.onnx"));
        OnnxWriter.Write(model, stream);

        byte[] bytes = OnnxWriter.ToBytes(model);
        CollectionAssert.AreEqual(bytes, stream.ToArray());
        CollectionAssert.AreEqual(bytes, File.ReadAllBytes(written.Path));
        Assert.AreEqual(bytes.Length, written.ByteLength);
        Assert.IsEmpty(written.ExternalDataFiles);
    }

    [TestMethod]
    public void ModelWithEveryMessage_PassesVerification()
    {
        using var model = OnnxReader.Read(SampleModels.Everything().ToByteArray());

        var problems = GraphVerifier.Verify(model);

        Assert.IsEmpty(problems, string.Join('\n', problems));
    }

    [TestMethod]
    public void Comparer_SeesEveryChangedByteOfAnUnusualModel()
    {
        // All round trips rest on the comparer: flipping any bit that leaves a message must show.
        byte[] original = SampleModels.Everything().ToByteArray();
        int parsed = 0;
        var missed = new List<string>();
        for (int i = 0; i < original.Length; i++)
        {
            byte[] changed = [.. original];
            changed[i] ^= 0x01;
            try
            {
                parsed++;
                if (MessageComparer.Compare(original, changed).Count == 0) missed.Add($"{i}: {Convert.ToHexString(original.AsSpan(i - 4, 8))}");
            }
            catch (InvalidProtocolBufferException)
            {
                parsed--;
            }
        }

        Assert.IsGreaterThan(original.Length / 2, parsed);
        Assert.IsEmpty(missed, string.Join('\n', missed));
    }
}
