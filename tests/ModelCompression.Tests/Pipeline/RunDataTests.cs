using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Pipeline;
using ModelCompression.Statistics;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Pipeline;

/// <summary>What passes may learn from runs on made-up inputs.</summary>
[TestClass]
public sealed class RunDataTests
{
    [TestMethod]
    public void Inputs_OfAModelThatIsDifferentAtEveryRun_AreNone()
    {
        var plain = new TestModel();
        plain.Output(plain.Node("Relu", [plain.Input("x", 1, 8)]));
        var random = new TestModel();
        var x = random.Input("x", 1, 8);
        random.Output(random.Node("Add", [x, random.Node("RandomNormalLike", [x])]));

        Assert.IsGreaterThan(0, SampleCount(plain.Model));
        Assert.AreEqual(0, SampleCount(random.Model), "results made from it would differ from build to build");
    }

    private static int SampleCount(Model model)
    {
        using var data = RunData.Open(new CompressionOptions(), model);
        return data.Inputs(threads: 1, record: null, CancellationToken.None).SampleCount;
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Statistics_OfACancelledRun_AreNotCollected(bool hasData)
    {
        using var fixture = new PipelineFixture();
        using var model = OnnxReader.Read(fixture.Source);
        using var data = RunData.Open(new CompressionOptions { CalibrationData = hasData ? [PipelineFixture.SampleData] : [] }, model);
        var source = data.Inputs(threads: 2, record: null, new CancellationToken(true));
        Assert.IsGreaterThan(0, source.SampleCount);
        Assert.AreEqual(hasData, data.Statistics(threads: 2, record: null, CancellationToken.None) is not null);

        // Passes give no token of their own.
        foreach (var collect in new Action<Value, StatisticsPlan>[]
        {
            (_, plan) => source.Collect(model, plan),
            (value, plan) => source.CollectInTurn(model, [value], [plan]),
            (value, plan) => source.CollectInTurn(model, [new CollectionTurn([value], [])], [plan]),
        })
        {
            var plan = new StatisticsPlan();
            var value = model.Graph.Outputs[0];
            plan.Need(value, RangeStatistic.Key, () => new RangeStatistic());
            Assert.ThrowsExactly<OperationCanceledException>(() => collect(value, plan));
        }
    }
}
