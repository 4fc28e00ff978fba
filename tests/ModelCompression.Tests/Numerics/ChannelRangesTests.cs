using FsCheck;
using FsCheck.Fluent;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Numerics;

[TestClass]
public sealed class ChannelRangesTests
{
    private static readonly Gen<(ChannelLayout Layout, int Seed)> Cases =
        from outer in Gen.Choose(0, 6)
        from channels in Gen.Choose(1, 33)
        from inner in Gen.OneOf(Gen.Choose(1, 9), Gen.Choose(31, 75))
        from groups in Gen.Choose(1, 3)
        from seed in Gen.Choose(0, int.MaxValue)
        select (new ChannelLayout(outer, channels, inner, groups), seed);

    [TestMethod]
    public void Ranges_EqualTheScalarOracle() => Prop.ForAll(Cases.ToArbitrary(), c =>
    {
        float[] elements = AffineQuantizerTests.Elements(c.Layout.ElementCount, c.Seed);
        var expected = ScalarQuantization.Ranges(elements, c.Layout);
        var tensor = Tensor.Float([elements.Length], elements);
        var ranges = ChannelRanges.Of(tensor, c.Layout);
        Assert.IsTrue(ranges.AllFinite);
        CollectionAssert.AreEqual(expected.Min, ranges.Min);
        CollectionAssert.AreEqual(expected.Max, ranges.Max);
        double energy = elements.Sum(x => (double)x * x);
        Assert.AreEqual(energy, ranges.Energy, 1e-12 * energy);
        Assert.AreEqual(elements.Count(x => x != 0), tensor.NonZeroCount);
    }).QuickCheckThrowOnFailure();

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    [DataRow(float.NegativeInfinity)]
    public void OneElementThatIsNoNumber_IsFoundAnywhere(float bad)
    {
        foreach (var layout in new[] { new ChannelLayout(1, 3, 43), new ChannelLayout(43, 3, 1), new ChannelLayout(2, 3, 5, 4), ChannelLayout.PerTensor(129) })
        {
            for (int at = 0; at < layout.ElementCount; at++)
            {
                float[] elements = [.. Enumerable.Range(0, layout.ElementCount).Select(i => i * 0.5f)];
                elements[at] = bad;
                Assert.IsFalse(ChannelRanges.Of(Tensor.Float([elements.Length], elements), layout).AllFinite, $"{layout} at {at}");
            }
        }
    }

    [TestMethod]
    public void LargestFiniteNumber_IsFinite()
    {
        var ranges = ChannelRanges.Of(Tensor.Float([2], float.MaxValue, float.MinValue), ChannelLayout.PerTensor(2));
        Assert.IsTrue(ranges.AllFinite);
        Assert.AreEqual(float.MaxValue, ranges.AbsMax(0));
    }

    [TestMethod]
    public void ManyThreads_GiveTheSameBits()
    {
        var layout = new ChannelLayout(1, 50, 9001);
        var tensor = Tensor.Float([layout.ElementCount], AffineQuantizerTests.Elements(layout.ElementCount, 1));
        var one = ChannelRanges.Of(tensor, layout, 1);
        var many = ChannelRanges.Of(tensor, layout, 7);
        CollectionAssert.AreEqual(one.Min, many.Min);
        Assert.AreEqual(BitConverter.DoubleToInt64Bits(one.Energy), BitConverter.DoubleToInt64Bits(many.Energy));
    }
}
