using FsCheck;
using FsCheck.Fluent;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Pruning;

namespace ModelCompression.Tests.Passes.Pruning;

[TestClass]
public sealed class MagnitudeThresholdTests
{
    private static readonly Gen<float[]> Weights =
        from length in Gen.Choose(1, 400)
        from distinct in Gen.Elements(2, 5, 1000)
        from seed in Gen.Choose(0, int.MaxValue)
        select Make(length, distinct, seed);

    [TestMethod]
    public void PruneBelow_RemovesExactlyTheSmallestInOrder() => Prop.ForAll(
        Weights.ToArbitrary(), Weights.ToArbitrary(), Gen.Choose(0, 100).ToArbitrary(), (first, second, percent) =>
        {
            var all = first.Concat(second).ToArray();
            long count = PruningTarget.CountToRemove(percent / 100.0, all.Length);
            var expected = (float[])all.Clone();
            // LINQ's OrderBy is stable: ties go in element order.
            foreach (int i in Enumerable.Range(0, all.Length).OrderBy(i => Math.Abs(all[i])).Take((int)count)) expected[i] = 0;
            var elements = new[] { first, second }.Select(w => WeightElements.TryCreate(Tensor.Float([w.Length], w))!).ToArray();
            var threshold = MagnitudeThreshold.Find(elements, count);
            var pruned = elements.SelectMany(e => e.PruneBelow(threshold).ToTensor().AsSpan<float>().ToArray()).ToArray();
            return pruned.Select(BitConverter.SingleToUInt32Bits).SequenceEqual(expected.Select(e => BitConverter.SingleToUInt32Bits(e)));
        }).QuickCheckThrowOnFailure();

    [TestMethod]
    public void Find_TiesAcrossChunks_AreSpentInOrder()
    {
        const int Length = (2 * WeightElements.ChunkLength) + 100;
        var weights = new float[Length];
        Array.Fill(weights, -0.5f);
        var elements = WeightElements.TryCreate(Tensor.Float([Length], weights))!;
        var pruned = elements.PruneBelow(MagnitudeThreshold.Find([elements], WeightElements.ChunkLength + 7)).ToTensor().AsSpan<float>();
        Assert.AreEqual(WeightElements.ChunkLength + 7, pruned.IndexOf(-0.5f));
        Assert.IsFalse(pruned[(WeightElements.ChunkLength + 7)..].Contains(0f));
    }

    [TestMethod]
    [DataRow(DataType.Float16)]
    [DataRow(DataType.BFloat16)]
    [DataRow(DataType.Double)]
    public void PruneBelow_OtherTypes_RankLikeBinary32(DataType type)
    {
        var random = new Random(1);
        // Values that all types hold exactly.
        var values = Enumerable.Range(0, 500).Select(_ => random.Next(-127, 128) / 128f).ToArray();
        var expected = WeightElements.TryCreate(Tensor.Float([500], values))!;
        var tensor = type switch
        {
            DataType.Float16 => Tensor.Create(type, [500], values.Select(v => (Half)v).ToArray()),
            DataType.BFloat16 => Tensor.Create(type, [500], values.Select(v => (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16)).ToArray()),
            _ => Tensor.Create(type, [500], values.Select(v => (double)v).ToArray()),
        };
        var elements = WeightElements.TryCreate(tensor)!;
        var pruned = elements.PruneBelow(MagnitudeThreshold.Find([elements], 250));
        var reference = expected.PruneBelow(MagnitudeThreshold.Find([expected], 250));
        Assert.AreEqual(reference.Measure().Zeros, pruned.Measure().Zeros);
        Assert.AreEqual(reference.Measure().Loss.SqnrDb, pruned.Measure().Loss.SqnrDb, 1e-9);
    }

    [TestMethod]
    public void HasNaN_FindsOneAnywhere()
    {
        foreach (int at in new[] { 0, 5, 16, 99 })
        {
            var weights = Enumerable.Repeat(float.PositiveInfinity, 100).ToArray();
            Assert.IsFalse(WeightElements.TryCreate(Tensor.Float([100], weights))!.HasNaN());
            weights[at] = float.NaN;
            Assert.IsTrue(WeightElements.TryCreate(Tensor.Float([100], weights))!.HasNaN());
        }
    }

    private static float[] Make(int length, int distinct, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(-distinct, distinct + 1) * 0.01f)];
    }
}
