using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Tests.Pipeline.Locking;

/// <summary>Every float that a run shows differs by up to a millionth, more than another order of additions makes of it.</summary>
internal static class OtherCpu
{
    public static float[] Disturb(ReadOnlySpan<float> values)
    {
        float[] disturbed = values.ToArray();
        for (int i = 0; i < disturbed.Length; i++) disturbed[i] *= 1 + (1e-6f * ((uint)i * 2654435761u % 1000 / 500f - 1));
        return disturbed;
    }
}

/// <summary>Statistics as another CPU would collect them.</summary>
internal sealed class OtherCpuStatistics(IStatisticsSource inner, MeasurementRecord record) : IStatisticsSource
{
    public int SampleCount => inner.SampleCount;

    public MeasurementRecord? Record => record;

    public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default)
    {
        var disturbed = new StatisticsPlan { SampleLimit = plan.SampleLimit, IsEnough = plan.IsEnough, Inputs = plan.Inputs };
        int number = 0;
        foreach (var (tensor, statistic) in plan.Single) disturbed.Need(tensor, $"{number++}", () => new Single(statistic));
        foreach (var (x, y, statistic) in plan.Pairs) disturbed.Need(x, y, new Pair(statistic));
        inner.Collect(model, disturbed, cancellation);
    }

    private sealed class Single(TensorStatistic inner) : TensorStatistic
    {
        public override bool MeasuresInOrder => inner.MeasuresInOrder;

        public override object? Measure(TensorView x) => inner.Measure(new(OtherCpu.Disturb(x.Data), x.Shape, x.Sample));

        public override void Merge(object? partial) => inner.Add(partial);
    }

    private sealed class Pair(PairStatistic inner) : PairStatistic
    {
        public override void Measure(TensorView x, TensorView y) => inner.Add(new(OtherCpu.Disturb(x.Data), x.Shape, x.Sample), new(OtherCpu.Disturb(y.Data), y.Shape, y.Sample));
    }
}

/// <summary>Gradients as another CPU would compute them.</summary>
internal sealed class OtherCpuGradients(IGradientSource inner, MeasurementRecord record) : IGradientSource
{
    public int FeedCount => inner.FeedCount;

    public int Parallelism => inner.Parallelism;

    public int RowsPerFeed => inner.RowsPerFeed;

    public TrainingLoss? NaturalLoss => inner.NaturalLoss;

    public bool IsRandomAccess => inner.IsRandomAccess;

    public MeasurementRecord? Record => record;

    public FeedOrigin OriginOf(int feed) => inner.OriginOf(feed);

    public IGradientSession Open(Model model, IReadOnlyList<Value> weights, TrainingLoss loss, float[][]? current = null, IReadOnlyList<int?>? gateAxes = null, bool splitsMatrices = false) =>
        new Session(inner.Open(model, weights, loss, current, gateAxes, splitsMatrices));

    private sealed class Session(IGradientSession inner) : IGradientSession
    {
        public IReadOnlyList<bool> Reached => inner.Reached;

        public double Run(IReadOnlyList<int> feeds, float[][]? gradients, CancellationToken cancellation = default)
        {
            double loss = inner.Run(feeds, gradients, cancellation);
            foreach (float[] gradient in gradients ?? []) OtherCpu.Disturb(gradient).CopyTo(gradient, 0);
            return loss * (1 + 1e-7);
        }

        public double Collect(IReadOnlyList<int> feeds, MiniBatchGradients gradients, CancellationToken cancellation = default)
        {
            double loss = inner.Collect(feeds, gradients, cancellation);
            for (int i = 0; i < gradients.Count; i++)
            {
                var values = gradients.Factors(i) is { } factors ? factors.Left.Elements : gradients.Array(i).AsSpan();
                OtherCpu.Disturb(values).CopyTo(values);
            }

            return loss * (1 + 1e-7);
        }

        public void Dispose() => inner.Dispose();
    }
}
