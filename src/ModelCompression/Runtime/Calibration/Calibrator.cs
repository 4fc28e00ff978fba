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
    private const int LeastReducedSamples = 4;

    /// <inheritdoc/>
    public int SampleCount => Math.Min(maxSamples, samples.Count);

    /// <inheritdoc/>
    public MeasurementRecord? Record { get; init; }

    /// <summary>Stops every collection between samples: a pass that collects need not know of the run's end.</summary>
    public CancellationToken Stopping { get; init; }

    /// <summary>Whether tensors are reduced to their extremes also where that saves no time.</summary>
    internal bool AlwaysReduces { get; init; }

    private SampleLoop Loop => new(samples, threads, Stopping);

    /// <inheritdoc/>
    public void Collect(Model model, StatisticsPlan plan, CancellationToken cancellation = default)
    {
        int count = CountFor(plan);
        if (count == 0) return;
        var observed = new ObservedCopy(model);
        var tensors = new WantedTensors(model, plan);
        int seen = CollectWhole(observed, plan, tensors, count, cancellation);
        if (seen < count) CollectReduced(observed, plan, tensors, seen, count, cancellation);
    }

    /// <summary>Collects from the samples that have to be seen whole, and from the rest, too, where a session that reduces tensors is not worth opening.</summary>
    /// <returns>How many these were.</returns>
    private int CollectWhole(ObservedCopy observed, StatisticsPlan plan, WantedTensors tensors, int count, CancellationToken cancellation)
    {
        int whole = WholeSamples(observed, plan, count);
        using var session = Open(observed, tensors.Computed);
        Collect(session, tensors, plan, 0, whole, cancellation);
        if (whole == count || IsWorthReducing(observed, plan, count - whole)) return whole;
        Collect(session, tensors, plan, whole, count, cancellation);
        return count;
    }

    private bool IsWorthReducing(ObservedCopy observed, StatisticsPlan plan, int samplesLeft)
    {
        if (AlwaysReduces) return true;
        using var reduced = ReducedOutputs.Add(observed, plan, samplesLeft);
        return reduced.Gain > 0;
    }

    private void CollectReduced(ObservedCopy observed, StatisticsPlan plan, WantedTensors tensors, int first, int end, CancellationToken cancellation)
    {
        // The model that the session before was opened from is as large as the one to open now.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: false);
        using var whole = new Lazily<ModelSession>(() => Open(observed, tensors.Computed));
        using var quick = OpenReduced(observed, plan, out var reduced);
        Func<ISampleRun> runWhole = () => new RepeatedRun(whole.Value, tensors.Names);
        if (quick is null) Loop.Collect(runWhole, tensors, plan, first, end, cancellation);
        else Loop.Collect(() => new RepeatedRun(quick, reduced.Names), reduced, plan, first, end, cancellation, (runWhole, tensors));
    }

    /// <summary>Samples to see whole before a session that reduces tensors may see the rest; all of them when there are too few others, or no tensor can be reduced.</summary>
    private static int WholeSamples(ObservedCopy observed, StatisticsPlan plan, int count)
    {
        // It must be asked after each sample, not only within a part of them.
        if (plan.IsEnough is not null) return count;
        using var reduced = ReducedOutputs.Add(observed, plan);
        return reduced.Of.Count + reduced.Settled.Count == 0 || count - reduced.WholeSamples < LeastReducedSamples ? count : reduced.WholeSamples;
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
                session ??= Open(new ObservedCopy(model), tensors);
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
    private static ModelSession Open(ObservedCopy observed, IReadOnlyList<Value> tensors) =>
        observed.Open([.. tensors.Where(t => WantedTensors.IsComputed(t, observed.Model))], SessionSettings.Default with { ReuseMemory = false });

    /// <summary>Opens a session that reduces what it can, with an arena: what it returns is small.</summary>
    /// <returns>Null for an element type without a kernel, for example: then all samples are seen whole.</returns>
    private static ModelSession? OpenReduced(ObservedCopy observed, StatisticsPlan plan, out WantedTensors wanted)
    {
        using var outputs = ReducedOutputs.Add(observed, plan);
        wanted = new WantedTensors(observed.Model, plan, outputs);
        try
        {
            return observed.Open(wanted.Computed, SessionSettings.Default with { PlanMemory = false });
        }
        catch (DiagnosticException)
        {
            return null;
        }
    }

    private void Collect(ModelSession session, WantedTensors tensors, StatisticsPlan plan, int first, int end, CancellationToken cancellation) =>
        Loop.Collect(() => new RepeatedRun(session, tensors.Names), tensors, plan, first, end, cancellation);
}
