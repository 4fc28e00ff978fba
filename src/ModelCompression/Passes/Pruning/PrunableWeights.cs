using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning;

/// <summary>Decides which weights a pruning criterion works on.</summary>
/// <remarks>
/// Filters of Conv and ConvTranspose, constant operands of Gemm and MatMul, and weights of recurrent cells are prunable; vectors (biases, norms) are not weights in this sense.
/// Rows of an embedding are looked up one by one, rare words have small rows, and zeros there are not averaged out by other inputs: embeddings are left alone unless
/// <c>IncludeOpTypes</c> names <c>Gather</c>. A weight with several consumers is pruned once, and only if all of them are in scope.
/// </remarks>
internal static class PrunableWeights
{
    /// <summary>The weights for <paramref name="criterion"/>; the others get their reason into the log.</summary>
    public static IReadOnlyList<PruningTarget> Select(Model model, CompressionSettings settings, PruningCriterion criterion, PassLog log, string pass)
    {
        var targets = new List<PruningTarget>();
        foreach (var site in WeightCatalog.Of(model).Weights)
        {
            if (site.Uses.All(u => settings.For(u.Operator).Pruning != criterion)) continue;
            var options = settings.For(site.Node);
            var elements = WeightElements.TryCreate(site.Tensor);
            string? reason = WhyNot(site, settings, criterion) ?? WhyNot(site, options, elements);
            if (reason is null)
            {
                targets.Add(new(site, options, elements!));
                continue;
            }

            log.Refused(pass, site.Node.DisplayName, reason);
            PruningRecord.Of(log, site).Reason = $"not pruned: {reason}";
        }

        return targets;
    }

    private static string? WhyNot(WeightSite site, CompressionSettings settings, PruningCriterion criterion)
    {
        foreach (var use in site.Uses)
        {
            var options = settings.For(use.Operator);
            if (settings.ReasonToSkip(use.Operator) is { } reason) return reason;
            if (options.Pruning != criterion) return $"Pruning={options.Pruning} for {use.Operator.DisplayName}";
            if (use.Role == WeightRole.Embedding && !Wildcard.MatchesOperator(options.IncludeOpTypes, use.Node.OpType)) return "embeddings are pruned only when IncludeOpTypes names Gather";
        }

        return null;
    }

    private static string? WhyNot(WeightSite site, CompressionOptions options, WeightElements? elements)
    {
        if (elements is null) return site.Tensor.ElementCount > Array.MaxLength ? "too large for one array" : $"{site.Tensor.DataType} weights are not pruned";
        if (site.Tensor.ElementCount == 0) return "it has no elements";
        bool byThresholds = options is { Pruning: PruningCriterion.GradientStability, GradientMeanThreshold: not null, GradientStdThreshold: not null };
        if (options.PruningPattern.Kind == PruningPatternKind.Unstructured && options.Sparsity is null && !byThresholds) return "Sparsity is not given";
        if (options.PruningPattern.Kind == PruningPatternKind.NOfM && site.Uses.Any(u => u.ReductionAxis != site.Uses[0].ReductionAxis)) return "its consumers sum over different axes";
        if (options.PruningPattern is { Kind: PruningPatternKind.NOfM } pattern && site.Tensor.Dims[site.Uses[0].ReductionAxis] <= pattern.N)
            return FormattableString.Invariant($"it sums over {site.Tensor.Dims[site.Uses[0].ReductionAxis]} inputs, and {pattern} keeps {pattern.N} of them");
        return elements.HasNaN() ? "it contains NaN, which has no rank" : null;
    }
}
