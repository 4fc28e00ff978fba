using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Float16;

namespace ModelCompression.Tests.Passes.Float16;

[TestClass]
public sealed class Float16RoundingTests
{
    /// <summary>Halves in order of magnitude, so that the oracle can look for the nearest without knowing how they are made.</summary>
    private static readonly float[] FiniteHalves = [.. Enumerable.Range(0, 0x7C00).Select(bits => (float)BitConverter.UInt16BitsToHalf((ushort)bits))];

    [TestMethod]
    public void Elements_BecomeTheNearestHalf_NeitherZeroNorInfinite()
    {
        var random = new Random(3);
        float[] values = [.. Enumerable.Range(0, 1003).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-30, 20)))), 0, -0f, 1, 65504, 65519, 65520, -1e30f, 1e-10f, -1e-44f, 2.98e-8f, 1.00048828125f];

        var rounded = Float16Rounding.TryRound(Tensor.Float([values.Length], values))!;

        var halves = rounded.Tensor.AsSpan<Half>();
        for (int i = 0; i < values.Length; i++)
        {
            float expected = Nearest(Math.Min(Math.Abs(values[i]), 1e5f));
            if (expected == 0 && values[i] != 0) expected = FiniteHalves[1];
            Assert.AreEqual(values[i] < 0 ? -expected : expected, (float)halves[i], $"{values[i]:R}");
        }

        Assert.AreEqual(values.Count(v => Math.Abs(v) >= 65520), rounded.Overflows);
        Assert.AreEqual(values.Count(v => v != 0 && Math.Abs(v) <= Math.Pow(2, -25)), rounded.Underflows);
    }

    [TestMethod]
    public void Noise_IsThatOfTheStoredNumbers()
    {
        float[] values = [1.0003f, -3.14159f, 1e-9f, 70000];
        var rounded = Float16Rounding.TryRound(Tensor.Float([4], values))!;
        double noise = values.Zip(rounded.Tensor.AsSpan<Half>().ToArray(), (v, h) => Math.Pow(v - (double)h, 2)).Sum();
        Assert.AreEqual(noise, rounded.Noise.Noise, noise * 1e-12);
        Assert.AreEqual(values.Sum(v => (double)v * v), rounded.Noise.Signal, 1e-3);
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    [DataRow(float.NegativeInfinity)]
    public void ElementsThatAreNoNumbers_AreRefused(float element) => Assert.IsNull(Float16Rounding.TryRound(Tensor.Float([3], 1, element, 2)));

    [TestMethod]
    public void NoElements_GiveAnEmptyTensor()
    {
        var rounded = Float16Rounding.TryRound(Tensor.Float([0, 3]))!;
        Assert.AreEqual((DataType.Float16, 0L), (rounded.Tensor.DataType, rounded.Tensor.ByteLength));
    }

    /// <summary>Ties go to the half whose last bit is 0; beyond the middle between 65504 and the next step nothing is nearer than 65504.</summary>
    private static float Nearest(float magnitude)
    {
        int best = 0;
        for (int i = 1; i < FiniteHalves.Length; i++)
        {
            double distance = Math.Abs((double)magnitude - FiniteHalves[i]), least = Math.Abs((double)magnitude - FiniteHalves[best]);
            if (distance < least || (distance == least && i % 2 == 0)) best = i;
        }

        return FiniteHalves[best];
    }
}
