using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Runtime;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class MappedSessionTests
{
    private const int Width = 2300;

    [TestMethod]
    public void OpenMapped_RunsLikeTheFile()
    {
        using var folder = new TemporaryFolder();
        string path = Save(folder);
        using var mapped = ModelSession.OpenMapped(path, SessionSettings.Default, ModelRole.Compressed);
        using var plain = ModelSession.Open(path, SessionSettings.Default, ModelRole.Compressed);
        CollectionAssert.AreEqual(plain.Interface.Inputs.Select(i => i.Name).ToArray(), mapped.Interface.Inputs.Select(i => i.Name).ToArray());
        using var model = OnnxReader.Read(path);
        var sample = SyntheticInputs.For(model).Read(0, 0);
        CollectionAssert.AreEqual(Output(plain.Run(sample.Inputs)), Output(mapped.Run(sample.Inputs)));
    }

    /// <summary>What lies in the file counts: a weight that has changed there changes the output.</summary>
    [TestMethod]
    public void OpenMapped_TakesWeightsFromTheFile()
    {
        using var folder = new TemporaryFolder();
        string path = Save(folder);
        using var model = OnnxReader.Read(path);
        var sample = SyntheticInputs.For(model).Read(0, 0);
        float[] before = Run(path, sample);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[bytes.Length / 2] ^= 0x40;
        File.WriteAllBytes(folder.Combine("n.onnx"), bytes);
        CollectionAssert.AreNotEqual(before, Run(folder.Combine("n.onnx"), sample));
    }

    [TestMethod]
    public void OpenMapped_CutOffFile_IsRefused()
    {
        using var folder = new TemporaryFolder();
        string path = Save(folder);
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^(1 << 20)]);
        var error = Assert.ThrowsExactly<DiagnosticException>(() => ModelSession.OpenMapped(path, SessionSettings.Default, ModelRole.Compressed).Dispose());
        Assert.StartsWith("MCB20", error.Diagnostic.Code);
    }

    private static string Save(TemporaryFolder folder)
    {
        using var model = SmallModel.Linear(Width, Width, [.. Enumerable.Range(0, Width * Width).Select(i => (float)Math.Sin(i))]);
        return model.Save(folder, "m.onnx");
    }

    private static float[] Run(string path, Sample sample)
    {
        using var session = ModelSession.OpenMapped(path, SessionSettings.Default, ModelRole.Compressed);
        return Output(session.Run(sample.Inputs));
    }

    private static float[] Output(IReadOnlyList<NamedValue> outputs) => ((TensorValue)outputs.Single().Value).Tensor.AsSpan<float>().ToArray();
}
