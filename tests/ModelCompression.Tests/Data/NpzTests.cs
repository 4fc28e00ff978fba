using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using ModelCompression.Data.Arrays;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Data;

[TestClass]
public sealed class NpzTests
{
    private static readonly byte[] Array23 = ArrayFile.Floats("2, 3", 1, 2, 3, 4, 5, 6);

    [TestMethod]
    public void LfsPointer_IsCalledByItsName()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("d.npz", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
        Assert.Contains("git lfs pull", Assert.ThrowsExactly<DiagnosticException>(() => ArrayCollection.OpenNpz(path)).Message);
    }

    [TestMethod]
    [DataRow(CompressionLevel.NoCompression)]
    [DataRow(CompressionLevel.Optimal)]
    public void ReadRows_StoredAndDeflated_InAnyOrder(CompressionLevel level)
    {
        using var folder = new TemporaryFolder();
        using var arrays = ArrayCollection.OpenNpz(ArrayFile.Npz(folder.Combine("d.npz"), level, ("x", Array23), ("y", Array23)));
        CollectionAssert.AreEqual(new[] { "x", "y" }, arrays.Arrays.Select(a => a.Name).ToArray());
        foreach (int row in new[] { 1, 0, 1 })
            Assert.AreEqual((3f * row) + 1, arrays.Arrays[1].ReadRows(row, 1, [1, 3]).AsSpan<float>()[0]);
    }

    [TestMethod]
    public void ReadRows_BigDeflatedArray_ForwardAndBack()
    {
        // 40 MB: above what is inflated into memory, so it streams, and the step back spools it.
        const int rows = 40, columns = 250_000;
        var values = new float[rows * columns];
        for (int i = 0; i < values.Length; i++) values[i] = i;
        using var folder = new TemporaryFolder();
        using var arrays = ArrayCollection.OpenNpz(ArrayFile.Npz(folder.Combine("d.npz"), CompressionLevel.Fastest, ("x", ArrayFile.Floats($"{rows}, {columns}", values))));
        foreach (int row in new[] { 3, 7, 7, 2, 39, 0 })
        {
            var span = arrays.Arrays[0].ReadRows(row, 1, [1, columns]).AsSpan<float>();
            Assert.AreEqual((float)row * columns, span[0]);
            Assert.AreEqual(((float)row * columns) + columns - 1, span[^1]);
        }
    }

    [TestMethod]
    public void Open_DataDescriptors_AreRead()
    {
        // Written to a stream that cannot seek, sizes follow the data and the local header has none.
        using var folder = new TemporaryFolder();
        string path = folder.Combine("d.npz");
        using (var target = new ForwardOnlyStream(File.Create(path)))
        using (var zip = new ZipArchive(target, ZipArchiveMode.Create))
        using (var entry = zip.CreateEntry("x.npy", CompressionLevel.Optimal).Open()) entry.Write(Array23);
        using var arrays = ArrayCollection.OpenNpz(path);
        Assert.AreEqual(6f, arrays.Arrays[0].ReadAll().AsSpan<float>()[5]);
    }

    [TestMethod]
    public void Open_Zip64Fields_AreRead()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("d.npz");
        File.WriteAllBytes(path, Zip64("x.npy", Array23));
        using var arrays = ArrayCollection.OpenNpz(path);
        Assert.AreEqual(6f, arrays.Arrays[0].ReadAll().AsSpan<float>()[5]);
    }

    [TestMethod]
    public void Read_AnyTruncation_IsACodedError()
    {
        using var folder = new TemporaryFolder();
        byte[] whole = File.ReadAllBytes(ArrayFile.Npz(folder.Combine("d.npz"), CompressionLevel.Optimal, ("x", Array23)));
        string cut = folder.Combine("cut.npz");
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(cut, whole[..length]);
            var error = Assert.ThrowsExactly<DiagnosticException>(() => ReadAll(cut));
            Assert.AreEqual("MCB3003", error.Diagnostic.Code);
            Assert.AreEqual(cut, error.Diagnostic.File);
        }
    }

    [TestMethod]
    [DataRow(CompressionLevel.Optimal)]
    [DataRow(CompressionLevel.NoCompression)]
    public void Read_AnyDamagedByte_IsACodedErrorOrHarmless(CompressionLevel level)
    {
        using var folder = new TemporaryFolder();
        byte[] whole = File.ReadAllBytes(ArrayFile.Npz(folder.Combine("d.npz"), level, ("x", Array23)));
        string damaged = folder.Combine("damaged.npz");
        int refused = 0;
        for (int at = 0; at < whole.Length; at++)
        {
            byte[] copy = [.. whole];
            copy[at] ^= 0xFF;
            File.WriteAllBytes(damaged, copy);
            try
            {
                CollectionAssert.AreEqual(new[] { 1f, 2, 3, 4, 5, 6 }, ReadAll(damaged), $"byte {at}");
            }
            catch (DiagnosticException e) when (e.Diagnostic.Code is "MCB3003" or "MCB3004")
            {
                refused++;
            }
        }

        Assert.IsGreaterThan(whole.Length / 2, refused);
    }

    [TestMethod]
    public void Open_StrangeContent_IsACodedError()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Combine("d.npz");
        using (var zip = ZipFile.Open(path, ZipArchiveMode.Create)) zip.CreateEntry("readme.txt");
        StringAssert.Contains(Assert.ThrowsExactly<DiagnosticException>(() => ReadAll(path)).Message, "readme.txt");
        File.WriteAllText(path, "this is no zip file, whatever its name says");
        StringAssert.Contains(Assert.ThrowsExactly<DiagnosticException>(() => ReadAll(path)).Message, "no ZIP file");
    }

    private static float[] ReadAll(string path)
    {
        using var arrays = ArrayCollection.OpenNpz(path);
        return arrays.Arrays.SelectMany(a => MemoryMarshal.Cast<byte, float>(a.ReadAll().AsSpan<byte>()).ToArray()).ToArray();
    }

    /// <summary>A stored entry whose sizes and offset, and whose directory, are given in 64-bit fields only.</summary>
    private static byte[] Zip64(string name, byte[] content)
    {
        var file = new MemoryStream();
        var writer = new BinaryWriter(file);
        byte[] nameBytes = Encoding.ASCII.GetBytes(name);
        uint crc = System.IO.Hashing.Crc32.HashToUInt32(content);
        void Sizes() { writer.Write(crc); writer.Write(uint.MaxValue); writer.Write(uint.MaxValue); }

        writer.Write(0x04034B50u); writer.Write((ushort)45); writer.Write(0u); writer.Write(0u);
        Sizes();
        writer.Write((ushort)nameBytes.Length); writer.Write((ushort)20); writer.Write(nameBytes);
        writer.Write((ushort)1); writer.Write((ushort)16); writer.Write((long)content.Length); writer.Write((long)content.Length);
        writer.Write(content);

        long directory = file.Position;
        writer.Write(0x02014B50u); writer.Write((ushort)45); writer.Write((ushort)45); writer.Write(0u); writer.Write(0u);
        Sizes();
        writer.Write((ushort)nameBytes.Length); writer.Write((ushort)28); writer.Write((ushort)0); writer.Write((ushort)0); writer.Write((ushort)0); writer.Write(0u); writer.Write(uint.MaxValue);
        writer.Write(nameBytes);
        writer.Write((ushort)1); writer.Write((ushort)24); writer.Write((long)content.Length); writer.Write((long)content.Length); writer.Write(0L);

        long end = file.Position;
        writer.Write(0x06064B50u); writer.Write(44L); writer.Write((ushort)45); writer.Write((ushort)45); writer.Write(0u); writer.Write(0u);
        writer.Write(1L); writer.Write(1L); writer.Write(end - directory); writer.Write(directory);
        writer.Write(0x07064B50u); writer.Write(0u); writer.Write(end); writer.Write(1u);
        writer.Write(0x06054B50u); writer.Write(0u); writer.Write(ushort.MaxValue); writer.Write(ushort.MaxValue); writer.Write(uint.MaxValue); writer.Write(uint.MaxValue); writer.Write((ushort)0);
        byte[] bytes = file.ToArray();
        Assert.AreEqual(0x04034B50u, BinaryPrimitives.ReadUInt32LittleEndian(bytes));
        return bytes;
    }

    /// <summary>A stream that only takes writes.</summary>
    private sealed class ForwardOnlyStream(Stream inner) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => inner.Position;
            set => throw new NotSupportedException();
        }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

        protected override void Dispose(bool disposing)
        {
            inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
