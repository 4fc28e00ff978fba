using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Passes.Quantization;

/// <summary>Gives weights more precision where it costs little: up to a share of the original size, and no more than accuracy needs.</summary>
internal sealed class PrecisionPlanner(Model model, WeightCatalog catalog)
{
    /// <summary>Size that all constants and nodes together aim at, relative to the original.</summary>
    private const double SizeRatio = 0.2855;

    /// <summary>
    /// Sensitivity of the first weight relative to the last: 20 dB. In mobile networks (tried on PP-OCRv4's recogniser, by leaving out a few layers at a time) the first
    /// third of the layers, a tenth of the bytes, causes most of the error when all get the same precision.
    /// </summary>
    private const double FirstToLast = 100;

    /// <summary>What may be spent in any case, relative to the weights concerned, even where nodes and small constants alone exceed <see cref="SizeRatio"/>.</summary>
    private const double LeastExtra = 0.012;

    /// <summary>Σ noise-to-signal at which more precision is not worth its bytes: 44 dB.</summary>
    private const double NoiseTarget = 4e-5;

    /// <summary>Sets the precision of the adaptive plans.</summary>
    public WeightDecision[] Refine(WeightDecision[] decisions)
    {
        var candidates = new RangedCandidates?[decisions.Length];
        Parallel.For(0, decisions.Length, i =>
        {
            if (decisions[i].Plan is { IsAdaptive: true } plan) candidates[i] = PrecisionCandidates.Of(plan);
        });
        var adaptive = Enumerable.Range(0, decisions.Length).Where(i => candidates[i] is not null).ToArray();
        if (adaptive.Length == 0) return decisions;
        double[] sensitivity = Sensitivity(decisions);
        var weighted = adaptive.Select(i => (IReadOnlyList<PrecisionCandidate>)[.. candidates[i]!.Candidates.Select(c => c with { NoiseToSignal = c.NoiseToSignal * sensitivity[i] })]);
        var chosen = PrecisionAllocator.Choose([.. weighted], ByteLimit(decisions, adaptive), NoiseTarget);
        var refined = decisions.ToArray();
        for (int k = 0; k < adaptive.Length; k++)
        {
            var decision = decisions[adaptive[k]];
            refined[adaptive[k]] = decision with { Plan = decision.Plan! with { Precision = chosen[k].Precision, Ranges = candidates[adaptive[k]]!.Ranges } };
        }

        return refined;
    }

    /// <summary>How much more a relative error counts in each weight: it falls along the graph, since what is wrong early goes through all that follows.</summary>
    private double[] Sensitivity(WeightDecision[] decisions)
    {
        var order = new Dictionary<Node, int>(ReferenceEqualityComparer.Instance);
        foreach (var node in model.AllGraphs().SelectMany(g => g.Nodes)) order[node] = order.Count;
        int[] sorted = [.. decisions.Select(d => order[d.Site.Node]).Order()];
        double last = Math.Max(1, sorted.Length - 1);
        return [.. decisions.Select(d => Math.Pow(FirstToLast, 1 - (Array.BinarySearch(sorted, order[d.Site.Node]) / last)))];
    }

    private long ByteLimit(WeightDecision[] decisions, int[] adaptive)
    {
        long rest = catalog.Others.Sum(o => o.Tensor.ByteLength) + model.AllGraphs().SelectMany(g => g.Nodes).Sum(StoredSize.OfNode);
        long before = rest, after = rest, own = 0;
        foreach (var decision in decisions)
        {
            before += StoredSize.OfFloat(decision.Site);
            after += decision.Plan is { } plan ? StoredSize.Of(plan) : StoredSize.OfFloat(decision.Site);
        }

        foreach (int i in adaptive) own += StoredSize.Of(decisions[i].Plan!);
        long adaptiveBefore = adaptive.Sum(i => decisions[i].Site.Tensor.ByteLength);
        return Math.Max((long)(before * SizeRatio) - (after - own), own + (long)(adaptiveBefore * LeastExtra));
    }
}
