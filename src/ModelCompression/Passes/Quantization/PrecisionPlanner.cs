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
    private const double SizeRatio = 0.2845;

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

    /// <summary>Sensitivity of depthwise filters relative to what their place would make it: −7 dB. Errors that add up to zero nearly vanish on smooth pictures.</summary>
    private const double Depthwise = 0.2;

    /// <summary>Taps from which a filter over one channel is taken for a filter bank's, as in a Fourier transform by convolution.</summary>
    private const int MinFilterBankTaps = 32;

    /// <summary>What may be spent, relative to the weights concerned, where <see cref="SizeRatio"/> cannot be met with any codes.</summary>
    private const double LeastExtra = 0.004;

    /// <summary>Relative size with plain 8-bit codes from which nodes and small constants are what takes the bytes.</summary>
    private const double HopelessRatio = 0.3;

    /// <summary>What may be spent then.</summary>
    private const double HopelessExtra = 0.025;

    /// <summary>Bytes that come on top: tables of levels, provenance.</summary>
    private const long Overhead = 1000;

    /// <summary>Size of the file relative to what the model takes now, up to which <see cref="SizeRatio"/> is taken of the file.</summary>
    private const double MaxSavedBefore = 1.25;

    /// <summary>Σ sensitivity · noise-to-signal at which more precision is not worth its bytes: 50 dB.</summary>
    private const double NoiseTarget = 1e-5;

    /// <summary>
    /// The same for <c>Preset=Smallest</c>, which spends bytes only until it is met: 25 dB. Of the classifiers in docs/performance.md none loses more than 0.2 points then.
    /// </summary>
    private const double SmallestNoise = 3e-3;

    /// <summary>True when the precisions that were set leave less noise than is worth any bytes.</summary>
    public bool IsNoiseNegligible { get; private set; } = true;

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
        var weighted = adaptive.Select(i => (IReadOnlyList<PrecisionCandidate>)[.. candidates[i]!.Candidates.Where(IsAllowed).Select(c => c with { NoiseToSignal = c.NoiseToSignal * sensitivity[i] })]);
        bool smallest = decisions[adaptive[0]].Plan!.Options.Preset == Preset.Smallest;
        var chosen = smallest
            ? PrecisionAllocator.Choose([.. weighted], long.MaxValue, SmallestNoise)
            : PrecisionAllocator.Choose([.. weighted], ByteLimit(decisions, candidates), NoiseTarget);
        IsNoiseNegligible = chosen.Sum(c => c.NoiseToSignal) <= NoiseTarget;
        var refined = decisions.ToArray();
        for (int k = 0; k < adaptive.Length; k++)
        {
            var decision = decisions[adaptive[k]];
            refined[adaptive[k]] = decision with { Plan = decision.Plan! with { Precision = chosen[k].Precision, Ranges = candidates[adaptive[k]]!.Ranges } };
        }

        return refined;
    }

    private bool IsAllowed(PrecisionCandidate candidate) => savedEarlier == 0 || candidate.Precision.Bits >= LeastBitsOfRest;

    /// <summary>How much more a relative error counts in each weight, 1 on average: it falls along the graph, since what is wrong early goes through all that follows.</summary>
    private double[] Sensitivity(WeightDecision[] decisions)
    {
        var order = new Dictionary<Node, int>(ReferenceEqualityComparer.Instance);
        Number(model.Graph, 0);
        foreach (var function in model.Functions) Number(function.Body, 0);
        int[] sorted = [.. decisions.Select(d => order[d.Site.Node]).Order()];
        double last = Math.Max(1, sorted.Length - 1);
        double[] sensitivity = [.. decisions.Select(d => Math.Pow(FirstToLast, 1 - (Rank(order[d.Site.Node]) / last)) * KindFactor(d.Site))];
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

    private static double KindFactor(WeightSite site)
    {
        var dims = site.Tensor.Dims;
        if (site.Role != WeightRole.Convolution || dims.Length < 3 || dims[1] != 1) return 1;
        if (site.Node.GetInt("group", 1) > 1) return Depthwise;
        return dims[0] >= MinFilterBankTaps && Math.Max(dims[2], dims[^1]) >= MinFilterBankTaps ? FilterBank : 1;
    }

    /// <summary>Bytes that the adaptive weights may take together.</summary>
    private long ByteLimit(WeightDecision[] decisions, RangedCandidates?[] candidates)
    {
        long others = StoredSize.OfAllBut([.. catalog.Weights.Select(w => w.Value)], model);
        long before = others + savedEarlier, plain = 0, least = 0, adaptiveBefore = 0;
        others += Overhead - savedByteLength;
        for (int i = 0; i < decisions.Length; i++)
        {
            before += StoredSize.OfFloat(decisions[i].Site);
            if (candidates[i] is { Candidates: var ways })
            {
                plain += ways[0].ByteLength;
                least += ways.Where(IsAllowed).Min(c => c.ByteLength);
                adaptiveBefore += decisions[i].Site.Tensor.ByteLength;
            }
            else others += decisions[i].Plan is { } plan ? StoredSize.Of(plan) : StoredSize.OfFloat(decisions[i].Site);
        }

        // What was saved before, by storing equal weights once say, may be spent too, as far as that is in proportion.
        before = Math.Max(before, Math.Min(model.StoredByteLength, (long)(before * MaxSavedBefore)));
        long limit = (long)(before * (savedEarlier > 0 ? SizeRatioOfRest : SizeRatio)) - others;
        double extra = others + plain > before * HopelessRatio ? HopelessExtra : LeastExtra;
        return limit >= least ? limit : plain + (long)(adaptiveBefore * extra);
    }
}
