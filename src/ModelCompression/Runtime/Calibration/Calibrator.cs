using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Runtime.Calibration;

/// <summary>
/// Collects statistics in ONNX Runtime: a copy of the model returns the wanted tensors as well, samples run side by side on one thread each, and what was measured is
/// merged in sample order. At any time as many samples are in memory as there are threads.
/// </summary>
/// <param name="samples">Calibration data.</param>
/// <param name="maxSamples">Most samples to use, the first ones.</param>
/// <param name="threads">Samples that run at the same time, at least 1; results do not depend on it.</param>
public sealed class Calibrator(SampleSource samples, int maxSamples, int threads) : IStatisticsSource
{
    /// <summary>One of so many tensors must be reducible.</summary>
    private const int LeastPeakShare = 4;

    private const int LeastReducedSamples = 4;

    /// <inheritdoc/>
    public int SampleCount => Math.Min(maxSamples, samples.Count);

    /// <inheritdoc/>
    public MeasurementRecord? Record { get; init; }

    private SampleLoop Loop => new(samples, threads);

    /// <inheritdoc/>
    public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default)
    {
        int count = CountFor(plan);
        if (count == 0) return;
        var tensors = new WantedTensors(model, plan);
        using var quick = OpenForPeaks(model, plan, tensors, count, out var reduced, out int whole);
        using (var session = Open(model, tensors.Computed)) Collect(session, tensors, plan, 0, whole, cancellation);
        if (quick is not null) Collect(quick, reduced, plan, whole, count, cancellation);
    }

    /// <inheritdoc/>
    public void CollectInTurn(Model model, IReadOnlyList<Value> tensors, IEnumerable<StatisticsPlan> plans, CancellationToken cancellation = default)
    {
        ModelSession? session = null;
        try
        {
            foreach (var plan in plans)
            {
                int count = CountFor(plan);
                if (count == 0) continue;
                session ??= Open(model, tensors);
                Collect(session, new WantedTensors(model, plan), plan, 0, count, cancellation);
            }
        }
        finally
        {
            session?.Dispose();
        }
    }

    /// <inheritdoc/>
    public void CollectInTurn(Model model, IReadOnlyList<CollectionTurn> turns, IEnumerable<StatisticsPlan> plans, CancellationToken cancellation = default)
    {
        using var pending = plans.GetEnumerator();
        if (!pending.MoveNext() || TryCollectStaged(model, turns, pending, cancellation)) return;
        // So many samples run in every turn that memory would peak here, with the garbage of all that came before in it.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        CollectInTurn(model, [.. turns.SelectMany(t => t.Tensors).Distinct()], Rest(pending), cancellation);
    }

    /// <inheritdoc/>
    public void CollectFromEdits(Model model, IReadOnlyList<ModelEdit> edits, int sampleLimit, CancellationToken cancellation = default) =>
        new StagedCollection(Loop).Collect(model, edits, Math.Min(SampleCount, sampleLimit), (edited, plan) => Collect(edited, plan, cancellation), cancellation);

    private bool TryCollectStaged(Model model, IReadOnlyList<CollectionTurn> turns, IEnumerator<StatisticsPlan> plans, CancellationToken cancellation) =>
        new StagedCollection(Loop).TryCollect(model, turns, plans, CountFor(plans.Current), cancellation);

    private static IEnumerable<StatisticsPlan> Rest(IEnumerator<StatisticsPlan> plans)
    {
        do
        {
            yield return plans.Current;
        }
        while (plans.MoveNext());
    }

    private int CountFor(StatisticsPlan plan) => plan.Single.Count == 0 && plan.Pairs.Count == 0 ? 0 : Math.Min(SampleCount, plan.SampleLimit ?? int.MaxValue);

    /// <summary>Without an arena: it would grow around the outputs of the first run.</summary>
    private static ModelSession Open(Model model, IReadOnlyList<Value> tensors) =>
        ObservingSession.Open(model, [.. tensors.Where(t => WantedTensors.IsComputed(t, model))], SessionSettings.Default with { ReuseMemory = false });

    /// <summary>Opens a session that reduces what many of a plan's tensors are wanted for, for the samples from <paramref name="whole"/> on; null when that is not worth a session.</summary>
    private static ModelSession? OpenForPeaks(Model model, StatisticsPlan plan, WantedTensors tensors, int count, out WantedTensors reduced, out int whole)
    {
        using var peaks = PeakOutputs.Add(model, plan);
        (reduced, whole) = (tensors, count);
        if (peaks.Of.Count * LeastPeakShare < tensors.Computed.Count || count - peaks.WholeSamples < LeastReducedSamples) return null;
        try
        {
            var wanted = new WantedTensors(model, plan, peaks.Of);
            var session = Open(model, wanted.Computed);
            (reduced, whole) = (wanted, peaks.WholeSamples);
            return session;
        }
        catch (DiagnosticException)
        {
            // As for an element type without a kernel: then all samples are seen whole.
            return null;
        }
    }

    private void Collect(ModelSession session, WantedTensors tensors, StatisticsPlan plan, int first, int end, CancellationToken cancellation) =>
        Loop.Collect(() => new RepeatedRun(session, tensors.Names), tensors, plan, first, end, cancellation);
}
