using ModelCompression.Data;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Latency;
using ModelCompression.Testing;

namespace ModelCompression.Tests.Runtime;

[TestClass]
public sealed class LatencyMeterTests
{
    [TestMethod]
    public void Measure_Alternates_AndTakesTurnsInGoingFirst()
    {
        var order = new List<char>();
        var settings = new LatencySettings { WarmUpRuns = 0, MinRounds = 4, MaxRounds = 4, MinRoundTime = TimeSpan.Zero };
        var result = LatencyMeter.Measure(() => order.Add('a'), () => order.Add('b'), settings, default);
        Assert.AreEqual(4, result.Runs);
        Assert.AreEqual("abbaabba", new string([.. order.Skip(2)])); // two runs before find the number of repeats
    }

    [TestMethod]
    public void Measure_TwiceTheWork_TakesLonger()
    {
        using var folder = new TemporaryFolder();
        using var small = Chain(1);
        using var large = Chain(12);
        var sample = new Sample([new NamedValue("x", new TensorValue(Tensor.Float([256, 256], new float[65536])))]);
        var settings = new LatencySettings { TimeLimit = TimeSpan.FromMilliseconds(300) };
        var result = LatencyMeter.Measure(small.Save(folder, "a.onnx"), large.Save(folder, "b.onnx"), sample, settings);
        Assert.IsGreaterThan(2, result.Ratio); // 12 times the arithmetic
        Assert.IsGreaterThanOrEqualTo(9, result.Runs);
        Assert.IsGreaterThan(0, result.OriginalMs);
    }

    [TestMethod]
    public void Measure_Cancelled_Stops()
    {
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => LatencyMeter.Measure(() => { }, () => { }, new LatencySettings(), cancelled.Token));
    }

    private static Onnx.Graph.Model Chain(int length)
    {
        var model = SmallModel.Empty();
        var value = model.Input("x", DataType.Float, 256, 256);
        var weight = model.Weight("w", Tensor.Float([256, 256], new float[65536]));
        for (int i = 0; i < length; i++) value = model.Node("MatMul", $"y{i}", value, weight);
        model.Output(value, DataType.Float, 256, 256);
        return model;
    }
}
