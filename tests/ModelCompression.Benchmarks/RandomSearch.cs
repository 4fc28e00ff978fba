using ModelCompression.Pipeline.Search;

namespace ModelCompression.Benchmarks;

/// <summary>What the guided search is compared with: same methods, same trials, no knowledge.</summary>
internal static class RandomSearch
{
    /// <summary>Every layer gets a method at random.</summary>
    public static void Uniform(SearchContext context, int seed, CancellationToken cancellation)
    {
        var random = new Random(seed);
        Try(context, _ => context.Methods[random.Next(context.Methods.Count)], () => { }, cancellation);
    }

    /// <summary>
    /// A stronger opponent: methods are ordered by the bytes they take in the whole model, one level is drawn per trial, and every layer gets a method within a tenth of the order around it.
    /// </summary>
    public static void Level(SearchContext context, int seed, CancellationToken cancellation)
    {
        var random = new Random(seed);
        var ordered = context.Methods.Where(m => !m.IsBetween).OrderBy(m => context.Bench.Encode(CandidateMaker.Uniform(context.Layers, m), cancellation).Bytes).ToArray();
        double level = 0;
        Try(context, _ => ordered[Math.Clamp((int)(ordered.Length * (level + (0.2 * random.NextDouble()) - 0.1)), 0, ordered.Length - 1)], () => level = random.NextDouble(), cancellation);
    }

    private static void Try(SearchContext context, Func<int, LayerMethod> choose, Action next, CancellationToken cancellation)
    {
        context.Trials.Try(new SearchCandidate("the item's own settings", new(StringComparer.Ordinal), []), cancellation);
        while (!context.Trials.IsOver)
        {
            next();
            context.Trials.Try(CandidateMaker.Mix(context.Layers, [.. Enumerable.Range(0, context.Layers.Count).Select(choose)], Recovery.None), cancellation);
        }
    }
}
