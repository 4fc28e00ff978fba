using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization;

/// <summary>Gives weights more precision where it costs little: up to a share of the original size, and no more than accuracy needs.</summary>
/// <param name="model">The model.</param>
/// <param name="catalog">Its weights.</param>
/// <param name="savedByteLength">Bytes that other constants will take less.</param>
/// <param name="savedEarlier">Bytes that weights take less already because another pass has quantized them; what is left is what needs precision most, and gets more of it.</param>
internal sealed class PrecisionPlanner(Model model, WeightCatalog catalog, long savedByteLength = 0, long savedEarlier = 0)
{
    /// <summary>Size that all constants and nodes together aim at, relative to the original.</summary>
    private const double SizeRatio = 0.2846;

    /// <summary>The same behind a pass that has quantized the weights that are not sensitive.</summary>
    private const double SizeRatioOfRest = 0.32;

    /// <summary>Bits that such weights keep at least.</summary>
    private const int LeastBitsOfRest = 8;

    /// <summary>
    /// Sensitivity of the first weight relative to the last: 17 dB. What noise in one layer alone does to the output was measured on real inputs, layer by layer, for the
    /// published models of docs/performance.md: in mobile networks it falls by 10 to 25 dB on the way, in plain stacks of convolutions hardly at all.
    /// </summary>
    private const double FirstToLast = 50;

    /// <summary>
    /// Sensitivity of a filter bank relative to what its place would make it: 15 dB. Sounds have nearly all their energy in a few bands, rounding noise has it in all bands
    /// alike, so the weak bands drown first; and what follows takes their logarithm or normalizes them.
    /// </summary>
    private const double FilterBank = 30;

    /// <summary>Taps from which a filter over one channel is taken for a filter bank's, as in a Fourier transform by convolution.</summary>
    private const int MinFilterBankTaps = 32;

    /// <summary>What may be spent in any case, relative to the weights concerned.</summary>
    private const double LeastExtra = 0.004;

    /// <summary>Relative size from which <see cref="SizeRatio"/> is out of reach, whatever is done: nodes and small constants are what takes the bytes.</summary>
    private const double HopelessRatio = 0.3;

    /// <summary>What may be spent then.</summary>
    private const double HopelessExtra = 0.025;

    /// <summary>Size of the file relative to what the model takes now, up to which <see cref="SizeRatio"/> is taken of the file.</summary>
    private const double MaxSavedBefore = 1.25;

    /// <summary>Σ sensitivity · noise-to-signal at which more precision is not worth its bytes: 50 dB.</summary>
    private const double NoiseTarget = 1e-5;

    /// <summary>
    /// The same for <c>Preset=Smallest</c>, which spends bytes only until it is met: 25 dB. Of the classifiers in docs/performance.md none loses more than 0.2 points then.
    /// </summary>
    private const double SmallestNoise = 3e-3;

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
        var weighted = adaptive.Select(i => (IReadOnlyList<PrecisionCandidate>)[.. candidates[i]!.Candidates.Where(c => savedEarlier == 0 || c.Precision.Bits >= LeastBitsOfRest).Select(c => c with { NoiseToSignal = c.NoiseToSignal * sensitivity[i] })]);
        bool smallest = decisions[adaptive[0]].Plan!.Options.Preset == Preset.Smallest;
        var chosen = smallest
            ? PrecisionAllocator.Choose([.. weighted], long.MaxValue, SmallestNoise)
            : PrecisionAllocator.Choose([.. weighted], ByteLimit(decisions, adaptive), NoiseTarget);
        var refined = decisions.ToArray();
        for (int k = 0; k < adaptive.Length; k++)
        {
            var decision = decisions[adaptive[k]];
            refined[adaptive[k]] = decision with { Plan = decision.Plan! with { Precision = chosen[k].Precision, Ranges = candidates[adaptive[k]]!.Ranges } };
        }

        return refined;
    }

    /// <summary>How much more a relative error counts in each weight, 1 on average: it falls along the graph, since what is wrong early goes through all that follows.</summary>
    private double[] Sensitivity(WeightDecision[] decisions)
    {
        var order = new Dictionary<Node, int>(ReferenceEqualityComparer.Instance);
        Number(model.Graph, 0);
        foreach (var function in model.Functions) Number(function.Body, 0);
        int[] sorted = [.. decisions.Select(d => order[d.Site.Node]).Order()];
        double last = Math.Max(1, sorted.Length - 1);
        double[] sensitivity = [.. decisions.Select(d => Math.Pow(FirstToLast, 1 - (Rank(order[d.Site.Node]) / last)) * (IsFilterBank(d.Site) ? FilterBank : 1))];
        double mean = sensitivity.Average();
        return Array.ConvertAll(sensitivity, s => s / mean);

        // Weights at one position (of one node, or in both branches) share a rank: that of the first in sorted order.
        int Rank(int position)
        {
            int at = Array.BinarySearch(sorted, position);
            while (at > 0 && sorted[at - 1] == position) at--;
            return at;
        }

        // Branches of one node lie side by side: only one of them runs.
        int Number(OnnxGraph graph, int position)
        {
            foreach (var node in graph.Nodes)
            {
                order[node] = position++;
                position = node.Subgraphs.Select(subgraph => Number(subgraph, position)).Append(position).Max();
            }

            return position;
        }
    }

    /// <summary>Many long filters over a signal of one channel.</summary>
    private static bool IsFilterBank(WeightSite site)
    {
        var dims = site.Tensor.Dims;
        return site.Role == WeightRole.Convolution && dims.Length > 2 && dims[1] == 1 && site.Node.GetInt("group", 1) == 1
            && dims[0] >= MinFilterBankTaps && Math.Max(dims[2], dims[^1]) >= MinFilterBankTaps;
    }

    private long ByteLimit(WeightDecision[] decisions, int[] adaptive)
    {
        long rest = StoredSize.OfAllBut([.. catalog.Weights.Select(w => w.Value)], model);
        long before = rest + savedEarlier, after = rest - savedByteLength, own = 0;
        foreach (var decision in decisions)
        {
            before += StoredSize.OfFloat(decision.Site);
            after += decision.Plan is { } plan ? StoredSize.Of(plan) : StoredSize.OfFloat(decision.Site);
        }

        // What was saved before, by storing equal weights once say, may be spent too, as far as that is in proportion.
        before = Math.Max(before, Math.Min(model.StoredByteLength, (long)(before * MaxSavedBefore)));
        foreach (int i in adaptive) own += StoredSize.Of(decisions[i].Plan!);
        long adaptiveBefore = adaptive.Sum(i => decisions[i].Site.Tensor.ByteLength);
        double extra = after > before * HopelessRatio ? HopelessExtra : LeastExtra;
        return Math.Max((long)(before * (savedEarlier > 0 ? SizeRatioOfRest : SizeRatio)) - (after - own), own + (long)(adaptiveBefore * extra));
    }
}
