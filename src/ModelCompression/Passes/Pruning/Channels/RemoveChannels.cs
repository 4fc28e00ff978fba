using ModelCompression.Analysis;
using ModelCompression.Analysis.Channels;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Refitting;
using ModelCompression.Passes.Simplification;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Removes whole channels (neurons, filters, heads, hidden units) with every edge connected to them, so that the model has fewer parameters and less work.</summary>
/// <remarks>
/// Channels that only go together are found by <see cref="ChannelGroups"/>; a criterion scores them; those that go are cut out of all weights that make them, pass them on or read them.
/// The model's inputs and outputs keep their shapes. A layer whose channels cannot go keeps them, with the reason in the report.
/// </remarks>
/// <param name="scorers">The criteria at hand.</param>
/// <param name="statistics">Calibration data, on which the remaining weights are refitted, or null.</param>
/// <param name="record">Takes the channels that were chosen by measured scores, and has what to take instead; or null.</param>
/// <param name="cancellation">Stops the work.</param>
public sealed class RemoveChannels(IReadOnlyList<IChannelScorer> scorers, IStatisticsSource? statistics = null, MeasurementRecord? record = null, CancellationToken cancellation = default) : ModelPass
{
    /// <summary>What was chosen among groups that are ranked together, by sparsity.</summary>
    private readonly Dictionary<double, Dictionary<ChannelGroup, bool[]>> global = [];

    private Dictionary<ChannelGroup, string> notScored = [];

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        SharedVectors.Separate(model);
        var groups = ChannelGroups.Find(model);
        var decisions = Decide(model, settings, log, groups);
        var removal = new ChannelRemoval(groups.Shapes, decisions);
        // Weights that are not pruned themselves may read channels that go.
        var catalog = WeightCatalog.Of(model);
        var sites = catalog.Weights.Where(s => s.Uses.Any(u => IsWanted(settings.For(u.Node))) || removal.Shrinks(s.Value)).ToList();
        var changes = new ChannelReport(Name, settings, log, groups, removal, notScored);
        changes.Before(sites, catalog.Others);
        if (removal.Axes.Count > 0) Cut(model, settings, log, removal, changes);
        changes.After(model, decisions);
        new ShareDuplicateInitializers().RunOnVerified(model, settings, new PassLog());
    }

    private void Cut(Model model, CompressionSettings settings, PassLog log, ChannelRemoval removal, ChannelReport changes)
    {
        var refit = statistics is null || settings.Model.Compensation == Compensation.None ? null : new LeastSquaresRefit(statistics, model, cancellation);
        new ChannelSurgery(model, removal).Run();
        if (refit is not null) changes.Refitted(refit.Run(model, LeastSquaresRefit.Behind(model, settings, removal), removal));
    }

    private static bool IsWanted(CompressionOptions options) => options.Pruning != PruningCriterion.None && options.PruningPattern.Kind == PruningPatternKind.Channel;

    private List<(ChannelGroup Group, bool[] Removed)> Decide(Model model, CompressionSettings settings, PassLog log, ChannelGroups groups)
    {
        var open = new List<ScoredGroup>();
        foreach (var group in groups.Groups)
        {
            if (WhyNot(group, settings) is { } reason)
            {
                if (reason.Length > 0) log.Refused(Name, ChannelReport.NameOf(group), reason);
            }
            else
            {
                open.Add(new(group, OptionsOf(group, settings)));
            }
        }

        var scores = Score(model, open);
        foreach (var (group, own) in scores)
            if (own.WhyNot is { } reason) log.Refused(Name, ChannelReport.NameOf(group), reason);
        notScored = scores.Where(s => s.Value.WhyNot is not null).ToDictionary(s => s.Key, s => s.Value.WhyNot!);
        var candidates = open.ConvertAll(o => new ChannelCandidate(o.Group, o.Options.ChannelMultiple, scores[o.Group]));
        var decisions = new List<(ChannelGroup, bool[])>();
        for (int i = 0; i < open.Count; i++)
        {
            var removed = open[i].Options.Pruning == PruningCriterion.Magnitude || record is null ? Select(i, open, candidates) : Recorded(i, open, candidates, record);
            log.GradientsDecided(ChannelReport.NameOf(open[i].Group), removed);
            if (removed.AsSpan().Contains(true)) decisions.Add((open[i].Group, removed));
        }

        if (settings.Model.Sparsity is { } wanted && decisions.Count > 0) SayShare(wanted, decisions.Sum(d => d.Item2.Count(r => r)), open.Sum(o => o.Group.UnitCount), log);

        return decisions;
    }

    /// <summary>Some channels of every layer stay, in multiples, so a high share cannot be reached in narrow layers.</summary>
    private static void SayShare(double wanted, int removed, int all, PassLog log)
    {
        const double worthSaying = 0.05;
        if (removed >= (wanted - worthSaying) * all) return;
        log.Report(Diagnostic.Note("MCB4025", FormattableString.Invariant(
            $"{removed} of {all} channels that could be chosen from were removed, {100.0 * removed / all:0.0} % where Sparsity asks for {100 * wanted:0.#} %: every layer keeps a multiple of ChannelMultiple, convolutions under PruningScope=\"Global\" whole blocks of 16. A lower ChannelMultiple or PruningScope=\"Layer\" removes more.")));
    }

    private bool[] Recorded(int index, List<ScoredGroup> groups, List<ChannelCandidate> candidates, MeasurementRecord record)
    {
        int count = candidates[index].UnitCount;
        string text = record.Words($"channels removed at {ChannelReport.NameOf(groups[index].Group)}", () => IndexText.Write(Select(index, groups, candidates)), recorded => IndexText.TryRead(recorded, count) is not null);
        return IndexText.TryRead(text, count)!;
    }

    private bool[] Select(int index, List<ScoredGroup> groups, List<ChannelCandidate> candidates)
    {
        var options = groups[index].Options;
        var candidate = candidates[index];
        if (candidate.Scores.Removable is not null) return ChannelSelection.SelectMarked(candidate);
        if (options.Sparsity is not { } sparsity) return new bool[candidate.UnitCount];
        if (options.PruningScope == PruningScope.Layer) return ChannelSelection.SelectLayer(candidate, sparsity);
        if (!global.TryGetValue(sparsity, out var chosen))
        {
            var together = candidates.Where((c, i) => c.Scores.Removable is null && groups[i].Options.PruningScope == PruningScope.Global && groups[i].Options.Sparsity == sparsity).ToList();
            var removed = ChannelSelection.SelectGlobal(together, sparsity);
            global.Add(sparsity, chosen = together.Select((c, i) => (c.Group, removed[i])).ToDictionary(p => p.Group, p => p.Item2));
        }

        return chosen[candidate.Group];
    }

    private Dictionary<ChannelGroup, ChannelScores> Score(Model model, List<ScoredGroup> groups)
    {
        var scores = new Dictionary<ChannelGroup, ChannelScores>();
        foreach (var byCriterion in groups.GroupBy(g => g.Options.Pruning))
        {
            var scorer = scorers.FirstOrDefault(s => s.Criterion == byCriterion.Key)
                ?? throw new DiagnosticException(Diagnostic.Error("MCB1006", $"Pruning={byCriterion.Key} does not score channels in this version; use Pruning=\"Magnitude\" with PruningPattern=\"Channel\"."));
            var list = byCriterion.ToList();
            var values = scorer.Score(model, list, cancellation);
            for (int i = 0; i < list.Count; i++) scores.Add(list[i].Group, values[i]);
        }

        return scores;
    }

    /// <summary>Why a group stays; empty when it is not asked for at all.</summary>
    private static string? WhyNot(ChannelGroup group, CompressionSettings settings)
    {
        var nodes = group.ProducerNodes;
        if (!nodes.Any(n => IsWanted(settings.For(n)))) return "";
        foreach (var node in nodes)
        {
            if (settings.ReasonToSkip(node) is { } reason) return $"{node.DisplayName} shares these channels and is {reason}";
            if (!IsWanted(settings.For(node))) return $"{node.DisplayName} shares these channels and is not pruned by channels";
        }

        if (group.UnitCount < 2) return "it is the only channel of its kind";
        return group.Slots.Any(s => s.Value.TryGetConstant(out var tensor) && !TensorSelection.IsSupported(tensor.DataType)) ? "a weight has elements smaller than a byte" : null;
    }

    /// <summary>Nodes that share channels may have rules of their own; the most careful one holds.</summary>
    private static CompressionOptions OptionsOf(ChannelGroup group, CompressionSettings settings)
    {
        var options = group.ProducerNodes.Select(settings.For).ToList();
        return options.MinBy(o => o.Sparsity ?? 1)! with { ChannelMultiple = options.Max(o => o.ChannelMultiple) };
    }
}
