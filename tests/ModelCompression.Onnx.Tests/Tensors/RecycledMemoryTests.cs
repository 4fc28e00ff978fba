using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Onnx.Tests.Tensors;

[TestClass]
public sealed class RecycledMemoryTests
{
    private const int Length = (1 << 20) + 3;

    private readonly RecycledMemory memory = new();

    [TestMethod]
    public void Tensors_DoNotOverlap_AndReadAsTheyWereFilled()
    {
        RecycledTensorData[] all = [.. Enumerable.Range(1, 30).Select(i => memory.Allocate(i * 200_001))];
        for (int i = 0; i < all.Length; i++) all[i].Memory.Span.Fill((byte)i);
        for (int i = 0; i < all.Length; i++)
        {
            Assert.AreEqual((i + 1) * 200_001, all[i].ByteLength);
            Assert.AreEqual(-1, all[i].AsSpan<byte>().IndexOfAnyExcept((byte)i));
            Assert.AreEqual(all[i].ByteLength, all[i].Blocks().Sum(b => b.Length));
        }
    }

    [TestMethod]
    public void Region_ServesAgain_OnceAllOfItIsDiscarded()
    {
        var (first, second) = (memory.Allocate(RecycledMemory.MinByteLength), memory.Allocate(RecycledMemory.MinByteLength));
        first.Discard();
        Assert.AreEqual(0, memory.TryTake(1), "The other one is still in use.");
        second.Discard();
        second.Discard();
        nint a = memory.TryTake(100), b = memory.TryTake(100);
        Assert.AreNotEqual(0, a);
        Assert.AreEqual(128, b - a);
        Assert.AreEqual(0, a % 64);
        Assert.IsTrue(memory.TryGiveBack(a));
        Assert.IsTrue(memory.TryGiveBack(b));
        Assert.AreEqual(a, memory.TryTake(RecycledMemory.MinByteLength), "It starts again.");
        Assert.IsFalse(memory.TryGiveBack(1));
    }

    [TestMethod]
    public void Discarded_CannotBeRead()
    {
        var data = memory.Allocate(Length);
        data.Discard();
        Assert.AreEqual(Length, data.ByteLength);
        Assert.ThrowsExactly<ObjectDisposedException>(() => data.Memory.Length);
        Assert.ThrowsExactly<ObjectDisposedException>(() => data.AsSpan<byte>().Length);
        Assert.ThrowsExactly<ObjectDisposedException>(() => data.Blocks().Count());
    }

    [TestMethod]
    public void SmallTensors_AreNotShared()
    {
        var data = memory.Allocate(RecycledMemory.MinByteLength - 1);
        data.Memory.Span.Fill(5);
        Assert.AreEqual(RecycledMemory.MinByteLength - 1, data.AsSpan<byte>().Count((byte)5));
        data.Discard();
        Assert.AreEqual(0, memory.TryTake(1));
        Assert.AreEqual(0, memory.Allocate(0).ByteLength);
    }

    [TestMethod]
    public void Trim_KeepsWhatIsInUse()
    {
        memory.Allocate(Length).Discard();
        nint taken = memory.TryTake(Length);
        memory.Trim();
        Assert.IsTrue(memory.TryGiveBack(taken));
        memory.Trim();
        Assert.IsFalse(memory.TryGiveBack(taken));
        Assert.AreEqual(0, memory.TryTake(1));
    }

    [TestMethod]
    public void Regions_AreCollected_WhenNobodyDiscards()
    {
        var region = Forget();
        memory.Trim();
        GC.Collect();
        Assert.IsFalse(region.IsAlive);
    }

    private WeakReference Forget()
    {
        var data = memory.Allocate(Length);
        return new WeakReference(System.Runtime.InteropServices.MemoryMarshal.TryGetArray<byte>(data.Memory, out var array) ? array.Array : null);
    }
}
