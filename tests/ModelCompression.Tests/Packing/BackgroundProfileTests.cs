using FsCheck;
using FsCheck.Fluent;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Packing;

namespace ModelCompression.Tests.Packing;

[TestClass]
public sealed class BackgroundProfileTests
{
    private static readonly Gen<uint[]> Sparse =
        from length in Gen.Frequency((3, Gen.Choose(1, 300)), (1, Gen.Choose(1, 9000)))
        from every in Gen.Elements(1, 2, 5, 40, 700)
        from seed in Gen.Choose(0, int.MaxValue)
        select Make(length, every, seed);

    [TestMethod]
    public void Scan_CountsLikeALoop() => Prop.ForAll(Sparse.ToArbitrary(), elements =>
    {
        var bytes = elements.Select(e => (byte)e).ToArray();
        return BackgroundProfile.Scan(new PackableElements<uint>(Tensor.Create(DataType.UInt32, [elements.Length], elements)), 0u).Stored == elements.LongCount(e => e != 0)
            && BackgroundProfile.Scan(new PackableElements<byte>(Tensor.Create(DataType.UInt8, [bytes.Length], bytes)), (byte)7).Stored == bytes.LongCount(e => e != 7);
    }).QuickCheckThrowOnFailure();

    [TestMethod]
    public void Gaps_HaveTheCountedEntriesAndDecode() => Prop.ForAll(Sparse.ToArbitrary(), Gen.Elements(BackgroundProfile.GapWidths).ToArbitrary(), (elements, width) =>
    {
        var source = new PackableElements<uint>(Tensor.Create(DataType.UInt32, [elements.Length], elements));
        var profile = BackgroundProfile.Scan(source, 0u).WithFillers(source, 0u);
        var entries = SparseEncoder.Gaps<uint>(elements, 0u, width, (int)profile.GapEntries(width));
        var decoded = new uint[elements.Length];
        int at = 0;
        for (int i = 0; i < entries.Values.Length; i++)
        {
            if (entries.Distances[i] >= 1 << width || (i > 0 && entries.Distances[i] == 0)) return false;
            decoded[at += entries.Distances[i]] = entries.Values[i];
        }

        return decoded.SequenceEqual(elements);
    }).QuickCheckThrowOnFailure();

    [TestMethod]
    public void Scan_JoinsChunks()
    {
        var elements = new uint[(3 << 18) + 17];
        foreach (int i in new[] { 5, (1 << 18) - 1, (2 << 18) + 9, elements.Length - 2 }) elements[i] = 1;
        var source = new PackableElements<uint>(Tensor.Create(DataType.UInt32, [elements.Length], elements));
        var profile = BackgroundProfile.Scan(source, 0u).WithFillers(source, 0u);
        Assert.AreEqual(4, profile.Stored);
        foreach (int width in BackgroundProfile.GapWidths)
        {
            int farthest = (1 << width) - 1;
            long fillers = (4 / farthest) + (((1L << 18) - 7) / farthest) + (((1L << 18) + 9) / farthest) + ((elements.Length - 2 - ((2L << 18) + 9) - 1) / farthest);
            Assert.AreEqual(4 + fillers, profile.GapEntries(width), $"width {width}");
            Assert.HasCount((int)profile.GapEntries(width), SparseEncoder.Gaps<uint>(elements, 0u, width, (int)profile.GapEntries(width)).Values);
        }
    }

    private static uint[] Make(int length, int every, int seed)
    {
        var random = new Random(seed);
        var elements = new uint[length];
        for (int i = 0; i < length; i++)
            if (random.Next(every) == 0) elements[i] = (uint)random.Next(1, 10);
        return elements;
    }
}
