using ModelCompression.Options;

namespace ModelCompression.Pipeline.Search;

/// <summary>The search of <c>Strategy=Auto</c>.</summary>
internal static class GuidedSearch
{
    /// <summary>Samples of a sensitivity measurement at most.</summary>
    private const int MaxProbeFeeds = 128;

    /// <summary>Share of the trials that go to latency when it is a gate and not the objective.</summary>
    private const int LatencyShare = 3;

    /// <summary>Searches until the trials or the time are used up.</summary>
    public static void Run(SearchContext context, CancellationToken cancellation)
    {
        context.Trials.Try(new SearchCandidate("the item's own settings", new(StringComparer.Ordinal), []), cancellation);
        bool latency = context.Options.Objective == SearchObjective.Latency;
        if (latency || context.Options.MaxLatencyRatio is not null)
            new LatencySearch(context, ProbeFeeds(context)).Run(latency ? int.MaxValue : context.Trials.Left / LatencyShare, cancellation);
        if (!latency && !context.Trials.IsOver) SearchSize(context, cancellation);
    }

    private static void SearchSize(SearchContext context, CancellationToken cancellation)
    {
        if (context.Layers.Count == 0) return;
        var table = LayerTable.Measure(context.Bench, context.Layers, context.Methods, cancellation);
        if (table.Methods.Count == 0) return;
        int[] feeds = ProbeFeeds(context);
        var sensitivity = SensitivityProbe.Measure(context.Bench, context.Layers, feeds, cancellation);
        new SizeSearch(context.Bench, context.Trials, table, sensitivity, feeds, context.Options.Seed).Run(cancellation);
    }

    /// <summary>Samples for sensitivities at even distances: as many as cost about half of what the trials cost.</summary>
    private static int[] ProbeFeeds(SearchContext context)
    {
        int feeds = context.Bench.FeedCount;
        long affordable = (long)context.Options.SearchTrials * feeds / 2 / (4 * Math.Max(1, context.Layers.Count));
        int count = (int)Math.Clamp(affordable, Math.Min(8, feeds), Math.Min(MaxProbeFeeds, feeds));
        return [.. Enumerable.Range(0, count).Select(i => (int)((long)i * feeds / count))];
    }
}
