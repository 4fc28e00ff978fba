using System.Diagnostics;
using Google.Protobuf;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Testing;

namespace ModelCompression.Onnx.Tests.Serialization;

/// <summary>Damaged models are read, or refused by a coded error: never another exception, never slowly.</summary>
[TestClass]
public class OnnxReaderFuzzTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    [TestMethod]
    public void TruncatedAtEveryByte_IsRefusedOrRead()
    {
        byte[] bytes = SampleModels.Everything().ToByteArray();
        int refused = 0;
        for (int length = 0; length < bytes.Length; length++) refused += IsRefused(bytes[..length]) ? 1 : 0;
        // What ends between two fields of the outermost message is a model still.
        Assert.IsGreaterThan(bytes.Length * 9 / 10, refused);
    }

    [TestMethod]
    public void FlippedBitInEveryByte_IsRefusedOrRead()
    {
        byte[] bytes = SampleModels.Everything().ToByteArray();
        int refused = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            // Neighbouring bytes get different bits; all eight occur all over the file.
            byte bit = (byte)(1 << (i * 3 % 8));
            bytes[i] ^= bit;
            refused += IsRefused(bytes) ? 1 : 0;
            bytes[i] ^= bit;
        }

        Assert.IsGreaterThan(bytes.Length / 4, refused);
    }

    [TestMethod]
    [DataRow("ppocr-v4/ch_ppocr_mobile_v2.0_cls_infer.onnx", 150)]
    [DataRow("silero-vad/silero_vad_legacy.onnx", 100)]
    [DataRow("blazeface/face_detection_front_128x128_barracuda.onnx", 150)]
    public void RandomDamageToAPublishedModel_IsRefusedOrRead(string name, int trials)
    {
        byte[] original = File.ReadAllBytes(ModelZoo.Path(name));
        var random = new Random(12345);
        int refused = 0;
        for (int trial = 0; trial < trials; trial++)
        {
            byte[] bytes = [.. original];
            // Weights fill most of a file and can be anything: so a whole stretch of the structure is hit, sometimes by whole runs.
            for (int hit = 0; hit < 200; hit++) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            refused += IsRefused(bytes) ? 1 : 0;
        }

        Assert.IsGreaterThan(0, refused);
    }

    [TestMethod]
    public void RandomBytes_AreRefused()
    {
        var random = new Random(1);
        for (int trial = 0; trial < 2000; trial++)
        {
            byte[] bytes = new byte[random.Next(1, 300)];
            random.NextBytes(bytes);
            Assert.IsTrue(IsRefused(bytes), Convert.ToHexString(bytes));
        }
    }

    private static bool IsRefused(byte[] bytes)
    {
        bool refused = TryRead(bytes, out var elapsed);
        // A busy machine may hold up one attempt, but hardly the same one three times.
        for (int attempt = 0; attempt < 2 && elapsed >= Limit; attempt++) TryRead(bytes, out elapsed);
        Assert.IsLessThan(Limit, elapsed);
        return refused;
    }

    private static bool TryRead(byte[] bytes, out TimeSpan elapsed)
    {
        var watch = Stopwatch.StartNew();
        try
        {
            using var model = OnnxReader.Read(bytes);
            // What has been read must be writable, too.
            Assert.IsNotEmpty(OnnxWriter.ToBytes(model));
            return false;
        }
        catch (DiagnosticException error)
        {
            Assert.StartsWith("MCB20", error.Diagnostic.Code);
            return true;
        }
        finally
        {
            elapsed = watch.Elapsed;
        }
    }
}
