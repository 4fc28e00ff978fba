using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Runtime;

/// <summary>Sessions over memory of discarded tensors. All of the process share that memory.</summary>
[TestClass]
[DoNotParallelize]
public sealed class OrtRecyclingTests
{
    private const int Width = 4096, Block = 128;

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void PackedWeights_LieWhereDiscardedOnesWere_AndGiveTheSame()
    {
        Assert.IsTrue(OrtRecycling.IsAvailable);
        using var folder = new TemporaryFolder();
        using var model = Product();
        string path = model.Save(folder, "m.onnx");
        var sample = SyntheticInputs.For(model).Read(0, 0);
        float[] expected;
        using (var plain = ModelSession.Open(path, SessionSettings.Default, ModelRole.Compressed)) expected = Output(plain.Run(sample.Inputs));

        const int length = 24 << 20;
        RecycledMemory.Shared.Trim();
        RecycledMemory.Shared.Allocate(length).Discard();
        using (var session = ModelSession.OpenMapped(path, SessionSettings.Default with { ReuseMemory = false }, ModelRole.Compressed))
        {
            nint rest = RecycledMemory.Shared.TryTake(length);
            Assert.AreEqual(0, rest, "The session has taken of it.");
            CollectionAssert.AreEqual(expected, Output(session.Run(sample.Inputs)));
        }

        nint whole = RecycledMemory.Shared.TryTake(length);
        Assert.AreNotEqual(0, whole, "The closed session has given all of it back.");
        Assert.IsTrue(RecycledMemory.Shared.TryGiveBack(whole));
        RecycledMemory.Shared.Trim();
    }

    [TestMethod]
    public void WithoutDiscardedMemory_SessionsOpenAsEver()
    {
        using var folder = new TemporaryFolder();
        using var model = Product();
        string path = model.Save(folder, "m.onnx");
        RecycledMemory.Shared.Trim();
        var sample = SyntheticInputs.For(model).Read(0, 0);
        using var plain = ModelSession.Open(path, SessionSettings.Default, ModelRole.Compressed);
        using var mapped = ModelSession.OpenMapped(path, SessionSettings.Default, ModelRole.Compressed);
        CollectionAssert.AreEqual(Output(plain.Run(sample.Inputs)), Output(mapped.Run(sample.Inputs)));
    }

    /// <summary>y [N, 4096] = x [N, 4096] · 8-bit codes in blocks, which the kernel packs into memory of its own.</summary>
    private static Model Product()
    {
        var model = SmallModel.Empty();
        model.OpsetImports["com.microsoft"] = 1;
        byte[] codes = new byte[Width * Width];
        new Random(3).NextBytes(codes);
        float[] scales = new float[Width * Width / Block];
        Array.Fill(scales, 0.01f);
        var x = model.Input("x", DataType.Float, Dimension.OfSymbol("n"), Dimension.Of(Width));
        var node = model.Graph.AddNode(
            "MatMulNBits",
            [x, model.Weight("codes", Tensor.Create(DataType.UInt8, [Width, Width / Block, Block], codes)), model.Weight("scales", Tensor.Float([Width, Width / Block], scales))],
            ["y"],
            [NodeAttribute.Of("K", Width), NodeAttribute.Of("N", Width), NodeAttribute.Of("bits", 8L), NodeAttribute.Of("block_size", Block), NodeAttribute.Of("accuracy_level", 4L)],
            "com.microsoft");
        model.Output(node.Outputs[0]!, DataType.Float, Dimension.OfSymbol("n"), Dimension.Of(Width));
        return model;
    }

    private static float[] Output(IReadOnlyList<NamedValue> outputs) => ((TensorValue)outputs.Single().Value).Tensor.AsSpan<float>().ToArray();
}
