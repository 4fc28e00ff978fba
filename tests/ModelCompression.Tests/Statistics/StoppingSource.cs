using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Tests.Statistics;

/// <summary>Collects as another source does, and then asks for the end of the run.</summary>
internal sealed class StoppingSource(IStatisticsSource inner, CancellationTokenSource stop) : IStatisticsSource
{
    public int SampleCount => inner.SampleCount;

    public MeasurementRecord? Record => inner.Record;

    public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default)
    {
        inner.Collect(model, plan, cancellation);
        stop.Cancel();
    }
}
