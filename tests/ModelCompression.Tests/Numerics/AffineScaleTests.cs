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

    [TestMethod]
    public void WholeRangeOfBinary32_GivesAFiniteScale() =>
        Assert.IsTrue(float.IsFinite(AffineScale.Covering(float.MinValue, float.MaxValue, CodeRange.Asymmetric(8)).Scale));
}
