using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Statistics;
using ModelCompression.Tests.Passes.Simplification;
using ModelCompression.Tests.Statistics;

namespace ModelCompression.Tests.Passes.Quantization.Static;

[TestClass]
public sealed class RangeTests
{
    [TestMethod]
    public void Percentile_LeavesTheTailsOut()
    {
        var (min, max) = Range(CalibrationMethod.Percentile, 98, [.. Enumerable.Range(0, 1000).Select(i => i / 1000f)]);

        // One percent at each end; bins are 1/2048 wide.
        Assert.AreEqual(0.01, min, 1.0 / 1024);
        Assert.AreEqual(0.99, max, 1.0 / 1024);
    }

    [TestMethod]
    public void SquaredError_IsNotAboveThatOfTheWholeRange()
    {
        float[] x = [.. RandomFloats.Make(5, 20000), 40f, -25f];

        var (min, max) = Range(CalibrationMethod.Mse, 99.999, x);

        Assert.IsLessThan(40f, max);
        Assert.IsLessThan(Loss(x, x.Min(), x.Max()), Loss(x, min, max));
    }

    [TestMethod]
    public void Entropy_CutsALonelyOutlier_AndKeepsAUniformRange()
    {
        float[] uniform = [.. Enumerable.Range(0, 40960).Select(i => i / 40960f)];

        Assert.AreEqual(uniform[^1], Range(CalibrationMethod.Entropy, 99.999, uniform).Max, 0.02f);
        Assert.IsLessThan(20f, Range(CalibrationMethod.Entropy, 99.999, [.. RandomFloats.Make(5, 1 << 20), 100f]).Max);
    }

    [TestMethod]
    [DataRow(0f), DataRow(0.7f)]
    public void Entropy_IsNotLedAstrayByABackground(float background)
    {
        // Most of a rendered line is one colour; the letters are what counts.
        float[] x = [.. Enumerable.Repeat(background, 60000), .. RandomFloats.Make(5, 20000)];

        var (min, max) = Range(CalibrationMethod.Entropy, 99.999, x);

        Assert.IsLessThanOrEqualTo(2.1 * Loss(x, x.Min(), x.Max()), Loss(x, min, max));
        Assert.IsGreaterThan(0.5f * x.Max(), max);
    }

    [TestMethod]
    public void UsefulRange_BeforeHardSwish_EndsWhereItIsZero()
    {
        var test = new TestModel(14);
        var x = test.Input("x", 1, 4);
        var y = test.Node("Exp", [x]);
        var gate = test.Node("HardSigmoid", [y], NodeAttribute.Of("alpha", 0.25f), NodeAttribute.Of("beta", 0.5f));
        test.Output(test.Node("Mul", [y, gate]));

        Assert.AreEqual((-2.0, double.PositiveInfinity), UsefulRange.Of(y));
        test.Output(test.Node("Neg", [y]));
        Assert.AreEqual((double.NegativeInfinity, double.PositiveInfinity), UsefulRange.Of(y));
    }

    [TestMethod]
    public void ChannelScales_CoverEachChannel_WithOneZeroPoint()
    {
        float[] min = [-1, 0, -0.01f], max = [3, 100, 0.01f];

        var scales = ChannelScales.TryMake(min, max, [1, 1, 1], 255)!;

        for (int c = 0; c < 3; c++)
        {
            Assert.IsLessThanOrEqualTo(min[c] + 1e-6f, -scales.ZeroPoint * scales.Scales[c]);
            Assert.IsGreaterThanOrEqualTo(max[c] * (1 - 1e-6f), (255 - scales.ZeroPoint) * scales.Scales[c]);
        }

        Assert.IsLessThan(scales.Scales[1] / 20, scales.Scales[2]);
    }

    [TestMethod]
    public void SaturationFreeScale_KeepsEveryPairWithinSixteenBits()
    {
        for (int seed = 0; seed < 50; seed++)
        {
            float[] w = RandomFloats.Make(seed, 64);
            double scale = Math.Max(SaturatingProducts.LeastScale(w), w.Max(Math.Abs) / 127);
            int[] codes = [.. w.Select(x => (int)Math.Round(x / scale))];

            foreach (int a in codes)
                Assert.IsTrue(codes.All(b => Math.Abs(255 * ((a == b && codes.Count(c => c == a) == 1 ? 0 : b) + a)) <= short.MaxValue));
            Assert.IsLessThanOrEqualTo(w.Max(Math.Abs) / 63.5, scale, "never coarser than seven bits");
        }
    }

    private static (float Min, float Max) Range(CalibrationMethod method, double percentile, float[] x)
    {
        var histogram = new HistogramStatistic();
        histogram.Merge(histogram.Measure(new(x, [x.Length], 0)));
        return RangeChoice.Of(histogram, new CompressionOptions { CalibrationMethod = method, CalibrationPercentile = percentile });
    }

    private static double Loss(float[] x, float min, float max)
    {
        var scale = ActivationScale.Covering(min, max, 8).Map;
        return x.Sum(v => Math.Pow(v - ((Math.Clamp(Math.Round(v / scale.Scale) + scale.ZeroPoint, 0, 255) - scale.ZeroPoint) * scale.Scale), 2));
    }
}
