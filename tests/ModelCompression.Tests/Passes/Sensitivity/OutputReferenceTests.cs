using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Sensitivity;
using ModelCompression.Statistics;
using ModelCompression.Tests.Passes.Quantization.Static;
using ModelCompression.Tests.Passes.Simplification;

namespace ModelCompression.Tests.Passes.Sensitivity;

[TestClass]
public sealed class OutputReferenceTests
{
    private const int Samples = 12;

    /// <summary>Outputs that are larger by a factor e have e² of noise, whatever the samples.</summary>
    [TestMethod]
    [DataRow(0.09f, true, Samples, "below the limit")]
    [DataRow(0.15f, false, 8, "above it: over as soon as the noise is that of all samples within the limit")]
    [DataRow(0.5f, false, 1, "so far above it that one sample has more noise than all may have")]
    public void IsWithin_RunsAsManySamplesAsItTakes(float error, bool expected, int mostSamples, string because)
    {
        var (model, shift) = Scaled();
        var source = new CountedSource(CalibrationRows.For(model.Model, Samples));
        var reference = Reference(model, source);
        model.Graph.SetInitializer(shift, Tensor.Float([], 2 * (1 + error)));

        Assert.AreEqual(expected, reference.IsWithin(model.Model, 0.01), because);
        Assert.IsLessThanOrEqualTo(mostSamples, source.Statistic!.SampleCount, because);
    }

    [TestMethod]
    public void NoiseToSignal_StopsAtWhatMatters()
    {
        var (model, scale) = Scaled();
        var source = new CountedSource(CalibrationRows.For(model.Model, Samples));
        var reference = Reference(model, source);
        (IReadOnlyList<Value>, Func<ModelCopy>) Edit(float error) => ([model.Graph.Outputs[0]], () =>
        {
            var copy = ModelCopy.Of(model.Model);
            copy.Model.Graph.SetInitializer(copy.Values[scale], Tensor.Float([], 2 * (1 + error)));
            return copy;
        }
        );

        double[] noise = reference.NoiseToSignal(model.Model, [Edit(0.05f), Edit(0.5f)], 8, 0.01);

        Assert.AreEqual(0.0025, noise[0], 1e-7);
        Assert.IsGreaterThan(0.01, noise[1]);
        CollectionAssert.AreEqual(new[] { 8, 1 }, source.Seen);
    }

    private static OutputReference Reference(TestModel model, CountedSource source)
    {
        var plan = new StatisticsPlan();
        var reference = OutputReference.Of(model.Model, plan, source, Samples);
        source.Collect(model.Model, plan);
        Assert.AreEqual(Samples, reference.SampleCount);
        source.Seen.Clear();
        return reference;
    }

    private static (TestModel Model, Value Scale) Scaled()
    {
        var model = new TestModel();
        var scale = model.Constant("scale", Tensor.Float([], 2f));
        model.Output(model.Node("Mul", [model.Input("x", 1, 64), scale]));
        return (model, scale);
    }

    /// <summary>Notes how many samples each plan has seen.</summary>
    private sealed class CountedSource(IStatisticsSource inner) : IStatisticsSource
    {
        public List<int> Seen { get; } = [];

        public TensorStatistic? Statistic { get; private set; }

        public int SampleCount => inner.SampleCount;

        public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default)
        {
            inner.Collect(model, plan, cancellation);
            Statistic = plan.Single[0].Statistic;
            Seen.Add(Statistic.SampleCount);
        }
    }
}
