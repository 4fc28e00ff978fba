using ModelCompression.Passes.Quantization.BiasCorrection;
using ModelCompression.Statistics;

namespace ModelCompression.Tests.Passes.Quantization.BiasCorrection;

[TestClass]
public sealed class MeanShiftTests
{
    [TestMethod]
    public void DifferenceThatAllSamplesShare_IsTakenWhole()
    {
        double[] shift = Shift(Means([1, 2], [3, -4], [0, 5]), [[0.5f, 2.25f], [2.5f, -3.75f], [-0.5f, 5.25f]], 2)!;
        Assert.AreEqual(0.5, shift[0], 1e-12);
        Assert.AreEqual(-0.25, shift[1], 1e-12);
    }

    [TestMethod]
    public void DifferenceThatChanceExplains_IsShrunkOrLeft()
    {
        // Channel 0: differences 3, 1, 2: d = 2, v = 1, shrunk by 1 - (1/3)/4. Channel 1: 5, -5, 1: d² = 1/9 is less than v/n.
        double[] shift = Shift(Means([3, 5], [1, -5], [2, 1]), [[0, 0], [0, 0], [0, 0]], 2)!;
        Assert.AreEqual(2 * (1 - (1.0 / 12)), shift[0], 1e-12);
        Assert.AreEqual(0, shift[1]);
    }

    [TestMethod]
    public void WhatCannotBeCompared_HasNoShift()
    {
        Assert.IsNull(Shift(Means([1, 2]), [[1, 2]], 2), "one sample says nothing about chance");
        Assert.IsNull(Shift(Means([1, 2], [1, 2]), [[1, 2], [1, 2], [1, 2]], 2));
        Assert.IsNull(Shift(Means([1, 2], [1, 2]), [[1, 2], [1, 2]], 3));
        Assert.IsNull(Shift(Means([1, float.NaN], [1, 2]), [[1, 2], [1, 2]], 2));
    }

    [TestMethod]
    public void WhereBoundsCut_TheShiftReachesOnlyAShare()
    {
        // d = 0.5 in all channels; the last channel is hardly ever between its bounds.
        double[] shift = Shift(Means([1, 1, 1], [3, 3, 3]), [[0.5f, 0.5f, 0.5f], [2.5f, 2.5f, 2.5f]], 3, [1, 0.25, 0.01])!;
        Assert.AreEqual(0.5, shift[0], 1e-12);
        Assert.AreEqual(2, shift[1], 1e-12);
        Assert.AreEqual(0, shift[2]);
        Assert.IsNull(Shift(Means([1], [3]), [[1], [3]], 1, []), "shares of another number of channels");
    }

    private static double[]? Shift(SampleMeansStatistic wanted, float[][] actual, int channels, double[]? slopes = null)
    {
        var difference = new MeanDifferenceStatistic(-1, wanted);
        foreach (float[] sample in actual) difference.Add(difference.Measure(new TensorView(sample, [1, sample.Length], 0)));
        return MeanShift.Of(difference, channels, slopes);
    }

    private static SampleMeansStatistic Means(params float[][] samples)
    {
        var statistic = new SampleMeansStatistic(-1);
        foreach (float[] sample in samples) statistic.Merge(statistic.Measure(new TensorView(sample, [1, sample.Length], 0)));
        return statistic;
    }
}
