using System.IO.Compression;
using ModelCompression.Pipeline;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Pipeline;

[TestClass]
public sealed class FileDigestTests
{
    private const int Megabyte = 1 << 20;

    [TestMethod]
    public void GzipByteLength_OfASmallFile_IsThatOfGzip()
    {
        using var folder = new TemporaryFolder();
        byte[] content = Weights(300_000);
        string path = folder.Combine("small.onnx");
        File.WriteAllBytes(path, content);
        using var whole = new MemoryStream();
        using (var gzip = new GZipStream(whole, new ZLibCompressionOptions { CompressionLevel = 6 }, leaveOpen: true)) gzip.Write(content);

        Assert.AreEqual(whole.Length, FileDigest.GzipByteLength([path], threads: 2));
    }

    [TestMethod]
    public void GzipByteLength_OfALargeFile_IsToldFromASampleOfIt()
    {
        using var folder = new TemporaryFolder();
        // One part hardly shrinks, the other one to nearly nothing: whoever looked at one end only would be wrong by far.
        byte[] content = new byte[48 * Megabyte];
        Weights(32 * Megabyte).CopyTo(content, 0);
        string path = folder.Combine("large.onnx");
        File.WriteAllBytes(path, content);
        using var whole = new MemoryStream();
        using (var gzip = new GZipStream(whole, new ZLibCompressionOptions { CompressionLevel = 6, CompressionStrategy = ZLibCompressionStrategy.RunLengthEncoding }, leaveOpen: true)) gzip.Write(content);

        long told = FileDigest.GzipByteLength([path], threads: 1);
        // 32 samples: two thirds of them may be 21 or 22.
        Assert.AreEqual(whole.Length, told, whole.Length * 0.05);
        Assert.AreEqual(told, FileDigest.GzipByteLength([path], threads: 3));
    }

    /// <summary>Codes of weights: most are small.</summary>
    private static byte[] Weights(int count)
    {
        var random = new Random(7);
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) bytes[i] = (byte)((random.Next(64) - random.Next(64)) & 0xFF);
        return bytes;
    }
}
