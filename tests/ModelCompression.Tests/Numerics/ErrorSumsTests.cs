using ModelCompression.Numerics;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Numerics;

[TestClass]
public sealed class ErrorSumsTests
{
    /// <summary>Of n terms of one sign added in another order, a sum in binary64 is off by at most n·2⁻⁵³ relative, twice that for two sums.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(7)]
    [DataRow(8)]
    [DataRow(29)]
    [DataRow(4096)]
    public void Of_IsWhatOneByOneGives(int length)
    {
        float[] r = RandomFloats.Make(1, length), x = RandomFloats.Make(2, length);
        double signal = 0, noise = 0;
        for (int i = 0; i < length; i++)
        {
            signal += (double)r[i] * r[i];
            noise += ((double)r[i] - x[i]) * ((double)r[i] - x[i]);
        }

        var sums = ErrorSums.Of(r, x);

        Assert.AreEqual(signal, sums.Signal, signal * length * Math.Pow(2, -52));
        Assert.AreEqual(noise, sums.Noise, noise * length * Math.Pow(2, -52));
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(11)]
    [DataRow(18)]
    public void Of_NotFinite_CountsWhereTheReferenceIs(int at)
    {
        foreach (float odd in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            float[] r = RandomFloats.Make(1, 19), x = RandomFloats.Make(2, 19);
            float usual = r[at];
            r[at] = odd;
            float[] without = r.Where((_, i) => i != at).ToArray(), other = x.Where((_, i) => i != at).ToArray();
            var (expected, sums) = (ErrorSums.Of(without, other), ErrorSums.Of(r, x));
            Assert.AreEqual(expected.Signal, sums.Signal, expected.Signal * 1e-14);
            Assert.AreEqual(expected.Noise, sums.Noise, expected.Noise * 1e-14, "the element is left out");

            r[at] = usual;
            x[at] = odd;
            Assert.AreEqual(double.PositiveInfinity, ErrorSums.Of(r, x).Noise);
            Assert.IsTrue(double.IsFinite(ErrorSums.Of(r, x).Signal));
        }
    }

    [TestMethod]
    public void Of_LargestNumbers_StayFinite()
    {
        float[] r = [.. Enumerable.Repeat(float.MaxValue, 16)], x = [.. Enumerable.Repeat(-float.MaxValue, 16)];
        var sums = ErrorSums.Of(r, x);
        Assert.AreEqual(16 * Math.Pow(float.MaxValue, 2), sums.Signal, sums.Signal * 1e-14);
        Assert.AreEqual(64 * Math.Pow(float.MaxValue, 2), sums.Noise, sums.Noise * 1e-14);
    }
}
