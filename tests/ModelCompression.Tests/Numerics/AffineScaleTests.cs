using ModelCompression.Numerics;

namespace ModelCompression.Tests.Numerics;

[TestClass]
public sealed class AffineScaleTests
{
    [TestMethod]
    public void Symmetric_IsLargestMagnitudeOver127()
    {
        var scale = AffineScale.Covering(-3f, 1f, CodeRange.Symmetric(8));
        Assert.AreEqual(new AffineScale((float)(6.0 / 254), 0), scale);
    }

    [TestMethod]
    public void Asymmetric_CoversTheRangeWithZeroInIt()
    {
        Assert.AreEqual(new AffineScale((float)(4.0 / 255), 191), AffineScale.Covering(-3f, 1f, CodeRange.Asymmetric(8)));
        Assert.AreEqual(new AffineScale((float)(2.0 / 255), 0), AffineScale.Covering(1f, 2f, CodeRange.Asymmetric(8)));
        Assert.AreEqual(new AffineScale((float)(2.0 / 255), 255), AffineScale.Covering(-2f, -1f, CodeRange.Asymmetric(8)));
    }

    [TestMethod]
    [DataRow(0f, 0f)]
    [DataRow(-1e-40f, 1e-40f)]
    public void RangeTooSmallForANormalScale_GivesScaleOne(float min, float max)
    {
        Assert.AreEqual(new AffineScale(1f, 0), AffineScale.Covering(min, max, CodeRange.Symmetric(8)));
        Assert.AreEqual(new AffineScale(1f, 0), AffineScale.Covering(min, max, CodeRange.Asymmetric(8)));
    }

    /// <summary>Codes at both ends, too, stand for finite numbers near the ends of the range.</summary>
    [TestMethod]
    [DataRow(float.MinValue, float.MaxValue)]
    [DataRow(float.MinValue, 1f)]
    [DataRow(-1f, float.MaxValue)]
    [DataRow(-3.4e38f, 0f)]
    public void LargestNumbersOfBinary32_GiveFiniteLevels(float min, float max)
    {
        for (int bits = 2; bits <= 8; bits++)
        {
            foreach (var codes in new[] { CodeRange.Symmetric(bits), CodeRange.Asymmetric(bits) })
            {
                var map = AffineScale.Covering(min, max, codes);
                float lowest = (codes.Lowest - map.ZeroPoint) * map.Scale, highest = (codes.Highest - map.ZeroPoint) * map.Scale;
                Assert.IsTrue(float.IsFinite(lowest) && float.IsFinite(highest), $"{codes}: {lowest}, {highest}");
                double step = map.Scale * (1 + 1e-5);
                Assert.IsLessThanOrEqualTo(min + step, lowest);
                Assert.IsGreaterThanOrEqualTo(max - step, highest);
            }
        }
    }
}
