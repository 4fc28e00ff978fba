using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Reports;

namespace ModelCompression.Tests.Pipeline;

[TestClass]
public sealed class GatesTests
{
    private static readonly CompressionOptions Limit = new() { MaxLatencyRatio = 1.0 };

    [TestMethod]
    [DataRow(0.8, 0.05, true)]
    [DataRow(1.3, 0.05, false)]
    public void LatencyFarFromTheLimit_IsJudged(double ratio, double spread, bool passed)
    {
        var latency = new LatencyFigures(1, ratio, ratio, 101) { Spread = spread };

        Assert.AreEqual(passed, Gates.Evaluate(Limit, new(), new(), null, latency).Single().Passed);
        Assert.IsEmpty(Gates.NotJudged(Limit, latency));
    }

    [TestMethod]
    [DataRow(0.97, 0.05)]
    [DataRow(1.04, 0.05)]
    [DataRow(1.5, 0.4)]
    public void LatencyWithinItsScatterOfTheLimit_IsNotJudged(double ratio, double spread)
    {
        var latency = new LatencyFigures(1, ratio, ratio, 101) { Spread = spread };

        Assert.IsEmpty(Gates.Evaluate(Limit, new(), new(), null, latency));
        Assert.AreEqual("MCB5005", Gates.NotJudged(Limit, latency).Single().Code);
    }

    [TestMethod]
    public void LatencyThatCouldNotBeMeasured_IsSaid()
    {
        Assert.AreEqual("MCB5005", Gates.NotJudged(Limit, null).Single().Code);
        Assert.IsEmpty(Gates.NotJudged(new(), null));
    }

    [TestMethod]
    [DataRow(false, 0.85, true)]
    [DataRow(false, 0.75, false)]
    [DataRow(true, 0.75, true)]
    [DataRow(true, 0.85, false)]
    public void MinMetric_FollowsTheDirectionOfTheMetric(bool lowerIsBetter, double reached, bool passed)
    {
        var validation = new ValidationFigures { Metric = "M", Original = 0.9, Compressed = reached, Drop = 0, LowerIsBetter = lowerIsBetter };

        Assert.AreEqual(passed, Gates.Evaluate(new() { MinMetric = 0.8 }, new(), new(), validation, null).Single().Passed);
    }
}
