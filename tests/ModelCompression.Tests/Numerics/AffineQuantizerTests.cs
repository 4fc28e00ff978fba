using FsCheck;
using FsCheck.Fluent;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Tests.Numerics;

[TestClass]
public sealed class AffineQuantizerTests
{
    /// <summary>Shapes with runs shorter and longer than the row limit, tails of every length, several groups, empty ones.</summary>
    private static readonly Gen<ChannelLayout> Layouts =
        from outer in Gen.Choose(0, 5)
        from channels in Gen.Choose(1, 40)
        from inner in Gen.Frequency((3, Gen.Choose(1, 9)), (2, Gen.Choose(30, 70)), (1, Gen.Constant(1)))
        from groups in Gen.Frequency((4, Gen.Constant(1)), (1, Gen.Choose(2, 4)))
        select new ChannelLayout(outer, channels, inner, groups);

    private static readonly Gen<(ChannelLayout Layout, int Seed)> Cases =
        from layout in Layouts
        from seed in Gen.Choose(0, int.MaxValue)
        select (layout, seed);

    [TestMethod]
    public void Codes_EqualTheScalarOracle_ForAnyLayoutAndScheme() => Prop.ForAll(Cases.ToArbitrary(), c =>
    {
        float[] elements = Elements(c.Layout.ElementCount, c.Seed);
        foreach (var codes in new[] { CodeRange.Symmetric(8), CodeRange.Asymmetric(8), CodeRange.Symmetric(4) })
        {
            var (scales, bytes, noise) = Quantize(elements, c.Layout, codes, -1);
            double expectedNoise = 0;
            for (int i = 0; i < elements.Length; i++)
            {
                var scale = scales[ScalarQuantization.ScaleOf(c.Layout, i)];
                int code = codes.IsSymmetric ? (sbyte)bytes[i] : bytes[i];
                Assert.AreEqual(ScalarQuantization.Code(elements[i], scale, codes), code, $"{codes} element {i} = {elements[i]:R}, scale {scale}");
                expectedNoise += Math.Pow((double)elements[i] - ((code - scale.ZeroPoint) * scale.Scale), 2);
            }

            Assert.AreEqual(expectedNoise, noise.Noise, 1e-5 * expectedNoise);
        }
    }).QuickCheckThrowOnFailure();

    [TestMethod]
    public void Restored_IsWithinHalfAScale_AndZeroStaysZero() => Prop.ForAll(Cases.ToArbitrary(), c =>
    {
        float[] elements = Elements(c.Layout.ElementCount, c.Seed);
        foreach (var codes in new[] { CodeRange.Symmetric(8), CodeRange.Asymmetric(8) })
        {
            var (scales, bytes, _) = Quantize(elements, c.Layout, codes, -1);
            for (int i = 0; i < elements.Length; i++)
            {
                var scale = scales[ScalarQuantization.ScaleOf(c.Layout, i)];
                float restored = ((codes.IsSymmetric ? (sbyte)bytes[i] : bytes[i]) - scale.ZeroPoint) * scale.Scale;
                // An asymmetric zero point is itself rounded, so an outermost element may be clipped by half a step more.
                double limit = (codes.IsSymmetric ? 0.5 : 1) * scale.Scale * (1 + 1e-5);
                if (Math.Abs(elements[i]) > 1e-30) Assert.IsLessThanOrEqualTo(limit, Math.Abs((double)elements[i] - restored), $"{c.Layout} {codes} element {i}");
                if (elements[i] == 0) Assert.AreEqual(0f, restored);
            }
        }
    }).QuickCheckThrowOnFailure();

    [TestMethod]
    [DataRow(700, 500, 1)]
    [DataRow(1, 300, 1100)]
    [DataRow(3, 7, 20001)]
    [DataRow(9000, 40, 4)]
    public void AnyNumberOfThreads_GivesTheSameBits(int outer, int channels, int inner)
    {
        var layout = new ChannelLayout(outer, channels, inner);
        float[] elements = Elements(layout.ElementCount, 5);
        var (_, bytes, noise) = Quantize(elements, layout, CodeRange.Symmetric(8), 1);
        foreach (int threads in new[] { 2, 3, 8, -1 })
        {
            var (_, otherBytes, otherNoise) = Quantize(elements, layout, CodeRange.Symmetric(8), threads);
            Assert.IsTrue(bytes.AsSpan().SequenceEqual(otherBytes));
            Assert.AreEqual(BitConverter.DoubleToInt64Bits(noise.Noise), BitConverter.DoubleToInt64Bits(otherNoise.Noise));
            Assert.AreEqual(BitConverter.DoubleToInt64Bits(noise.Signal), BitConverter.DoubleToInt64Bits(otherNoise.Signal));
        }
    }

    [TestMethod]
    public void WideCodes_EqualTheScalarOracle()
    {
        var layout = new ChannelLayout(5, 13, 7);
        float[] elements = Elements(layout.ElementCount, 9);
        var codes = CodeRange.Symmetric(12);
        var scales = Scales(elements, layout, codes);
        byte[] output = new byte[elements.Length * 2];
        AffineQuantizer.QuantizeWide(Tensor.Float([elements.Length], elements), layout, scales, codes, output);
        for (int i = 0; i < elements.Length; i++)
            Assert.AreEqual(ScalarQuantization.Code(elements[i], scales[ScalarQuantization.ScaleOf(layout, i)], codes), BitConverter.ToInt16(output, 2 * i));
    }

    [TestMethod]
    public void Ties_AreRoundedToEven()
    {
        float[] elements = [127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f];
        var (_, bytes, _) = Quantize(elements, ChannelLayout.PerTensor(6), CodeRange.Symmetric(8), 1);
        CollectionAssert.AreEqual(new sbyte[] { 127, 0, 2, 2, 0, -2 }, Array.ConvertAll(bytes, b => (sbyte)b));
    }

    internal static float[] Elements(int count, int seed)
    {
        var random = new Random(seed);
        float[] special = [0f, -0f, 1e-40f, -1e-42f, 1e-30f, 3f];
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(12) == 0 ? special[random.Next(special.Length)] : (float)((random.NextDouble() - 0.4) * Math.Pow(10, random.Next(-3, 3))))];
    }

    private static AffineScale[] Scales(float[] elements, ChannelLayout layout, CodeRange codes)
    {
        var (min, max) = ScalarQuantization.Ranges(elements, layout);
        return [.. min.Zip(max, (low, high) => AffineScale.Covering(low, high, codes))];
    }

    private static (AffineScale[] Scales, byte[] Codes, QuantizationNoise Noise) Quantize(float[] elements, ChannelLayout layout, CodeRange codes, int threads)
    {
        var scales = Scales(elements, layout, codes);
        byte[] output = new byte[elements.Length];
        return (scales, output, AffineQuantizer.Quantize(Tensor.Float([elements.Length], elements), layout, scales, codes, output, threads));
    }
}
