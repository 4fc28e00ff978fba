using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning;

/// <summary>Decides which elements of several weights (or of their scores) go: N of M, or the lowest share of each or of all together.</summary>
/// <param name="all">The weights that are ranked against each other where the scope is global.</param>
internal sealed class WeightRanking(IReadOnlyList<PruningTarget> all)
{
    private readonly Dictionary<double, MagnitudeThreshold> thresholds = [];

    /// <summary>Prunes one of the weights.</summary>
    public PrunedElements Prune(PruningTarget target)
    {
        var options = target.Options;
        if (options.PruningPattern.Kind == PruningPatternKind.NOfM)
            return target.Elements.PruneNOfM(target.Site.Uses[0].ReductionAxis, options.PruningPattern.N, options.PruningPattern.M);
        double sparsity = options.Sparsity!.Value;
        if (options.PruningScope == PruningScope.Layer) return target.Elements.PruneBelow(Threshold([target.Elements], sparsity));
        if (!thresholds.TryGetValue(sparsity, out var threshold))
            thresholds.Add(sparsity, threshold = Threshold([.. all.Where(t => IsRankedWith(t.Options, sparsity)).Select(t => t.Elements)], sparsity));
        return target.Elements.PruneBelow(threshold);
    }

    private static bool IsRankedWith(CompressionOptions options, double sparsity) =>
        options.PruningPattern.Kind == PruningPatternKind.Unstructured && options.PruningScope == PruningScope.Global && options.Sparsity == sparsity;

    private static MagnitudeThreshold Threshold(IReadOnlyList<WeightElements> weights, double sparsity) =>
        MagnitudeThreshold.Find(weights, PruningTarget.CountToRemove(sparsity, weights.Sum(w => w.Tensor.ElementCount)));
}
