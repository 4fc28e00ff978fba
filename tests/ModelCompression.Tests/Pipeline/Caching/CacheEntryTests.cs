using ModelCompression.Pipeline.Caching;

namespace ModelCompression.Tests.Pipeline.Caching;

[TestClass]
public sealed class CacheEntryTests
{
    private static readonly CacheEntry Entry = new([new("report.json", new string('a', 64), 12), new("output/größe.onnx", new string('b', 64), 5_000_000_000)], "[]\nnotes");

    [TestMethod]
    public void Entry_SurvivesARoundTrip()
    {
        var read = CacheEntry.Parse(Entry.Serialize())!;

        CollectionAssert.AreEqual(Entry.Files.ToArray(), read.Files.ToArray());
        Assert.AreEqual(Entry.Notes, read.Notes);
    }

    [TestMethod]
    public void Entry_IsAnActionResultWithOutputFilesAndStandardOutput()
    {
        // Field 2 of an ActionResult is a list of files, each with its path in field 1 and its digest in field 2; field 5 is standard output.
        byte[] bytes = new CacheEntry([new("p", "h", 3)], "").Serialize();

        CollectionAssert.AreEqual(new byte[] { 0x12, 0x0a, 0x0a, 0x01, (byte)'p', 0x12, 0x05, 0x0a, 0x01, (byte)'h', 0x10, 0x03, 0x2a, 65 }, bytes[..14]);
        Assert.HasCount(14 + 65, bytes);
    }

    [TestMethod]
    public void DamagedEntry_IsNone()
    {
        byte[] bytes = Entry.Serialize();
        for (int length = 0; length < bytes.Length; length++) Assert.IsNull(CacheEntry.Parse(bytes.AsSpan(0, length)), $"first {length} bytes");
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] ^= 0x10;
            Assert.IsNull(CacheEntry.Parse(bytes), $"byte {i}");
            bytes[i] ^= 0x10;
        }
    }
}
