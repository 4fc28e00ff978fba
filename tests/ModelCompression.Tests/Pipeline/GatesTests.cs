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

    [TestMethod]
    public void Messages_HaveBothNumbersAndWhatMayHelp()
    {
        var report = new CompressionReport
        {
            Model = "m.onnx",
            ToolVersion = "1",
            Status = "compressed",
            Original = new(),
            Compressed = new(),
            Settings = new Dictionary<string, string>(),
            Pruning = new("None", "", 0),
            Quantization = new("WeightOnly", 2),
            Layers = [new() { Node = "/fc", OpType = "Gemm", Weight = "w", Action = "", Reason = "", SqnrDb = 6.8 }, new() { Node = "/conv", OpType = "Conv", Weight = "v", Action = "", Reason = "", SqnrDb = 31 }],
            Validation = new() { Metric = "Top1", Original = 0.91, Compressed = 0.61, Drop = 0.3 },
            Gates = [],
            Edits = [],
        };

        Assert.AreEqual(
            "Top1 fell from 0.91 to 0.61, a drop of 0.3, but MaxMetricDrop is 0.01. Layers that lost most: /fc (6.8 dB), /conv (31.0 dB). "
            + "More bits, or a CompressModelRule with Nodes=\"/fc\" and Quantization=\"None\", spares a layer; Strategy=Auto finds settings that pass.",
            Gates.Describe(new("MaxMetricDrop", 0.01, 0.3, false), report).Message);
        StringAssert.StartsWith(Gates.Describe(new("MaxSize", 1000, 2000, false), report).Message, "The file takes 2000 bytes, but MaxSize is 1000. Preset=Smallest");
        Assert.AreEqual(
            "MaxLatencyRatio was not judged: the compressed model takes 1.035 times as long as the original and the limit is 1, but single runs scatter by 5.2 %, which is more than what lies between. Build on a machine with nothing else to do.",
            Gates.NotJudged(Limit, new LatencyFigures(1, 1.035, 1.035, 101) { Spread = 0.0521 }).Single().Message);
        report = report with { Validation = new() { Metric = "Mse", Original = 0, Compressed = 3.214e-9, Drop = 3.214e-9, LowerIsBetter = true } };
        StringAssert.StartsWith(Gates.Describe(new("MaxMetricDrop", 1e-9, 3.214e-9, false), report).Message, "Mse rose from 0 to 3.21E-09, a rise of 3.21E-09, but MaxMetricDrop is 1E-09.");
        StringAssert.EndsWith(SummaryLine.Format(report), ", Mse 0.000 -> 3.21E-09");
        Assert.AreEqual("1E-09", new GateFigures("MaxMetricDrop", 1e-9, 3.214e-9, false).Show(1e-9));
    }
}
