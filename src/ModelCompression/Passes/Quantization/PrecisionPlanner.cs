using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Quantization;

/// <summary>Gives weights more precision where it costs little: up to a share of the original size, and no more than accuracy needs.</summary>
/// <param name="model">The model.</param>
/// <param name="catalog">Its weights.</param>
/// <param name="biases">Biases that are to be stored as binary16; those of sensitive layers may stay as they are.</param>
/// <param name="savedByteLength">Bytes that other constants will take less, these biases included.</param>
/// <param name="savedEarlier">Bytes that weights take less already because another pass has quantized them; what is left is what needs precision most, and gets more of it.</param>
internal sealed class PrecisionPlanner(Model model, WeightCatalog catalog, IReadOnlyList<BiasPlan> biases, long savedByteLength = 0, long savedEarlier = 0)
{
    /// <summary>Size of the file relative to the original, where it can be found exactly: a little below 1/3.5.</summary>
    private const double SizeRatio = 0.2855;

    /// <summary>The same where it is estimated from all constants and nodes, which may be half a percent less than the file.</summary>
    private const double EstimatedSizeRatio = 0.2845;

    /// <summary>What may be left of the bytes, relative to the original: less than any weight would gain from.</summary>
    private const double Tolerance = 0.0002;

    /// <summary>Bytes by which the estimate was found to miss the size of small networks: names, types, nodes.</summary>
    private const long MostMisjudged = 4096;

    /// <summary>How often the size is found; the second time it nearly always fits.</summary>
    private const int MostTrials = 5;

    /// <summary>The same behind a pass that has quantized the weights that are not sensitive.</summary>
    private const double SizeRatioOfRest = 0.32;

    /// <summary>Bits that such weights keep at least.</summary>
    private const int LeastBitsOfRest = 8;

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

    private readonly HashSet<Node> wideBiases = new(ReferenceEqualityComparer.Instance);
    private WeightDecision[] decisions = [];
    private RangedCandidates?[] candidates = [];
    private int[] adaptive = [];
    private IReadOnlyList<PrecisionCandidate>[] ways = [];
    private BiasPlan[] sensitiveBiases = [];

    /// <summary>True when the precisions that were set leave less noise than is worth any bytes.</summary>
    public bool IsNoiseNegligible { get; private set; } = true;

    /// <summary>Nodes whose biases are worth staying in binary32.</summary>
    public IReadOnlySet<Node> WideBiases => wideBiases;

    /// <summary>Sets the precision of the adaptive plans.</summary>
    /// <param name="asked">What was decided for each weight.</param>
    /// <param name="trial">Finds how many bytes a choice takes; null to estimate it.</param>
    public WeightDecision[] Refine(WeightDecision[] asked, SizeTrial? trial = null)
    {
        decisions = asked;
        candidates = new RangedCandidates?[decisions.Length];
        Parallel.For(0, decisions.Length, i =>
        {
            if (decisions[i].Plan is { IsAdaptive: true } plan) candidates[i] = PrecisionCandidates.Of(plan);
        });
        adaptive = [.. Enumerable.Range(0, decisions.Length).Where(i => candidates[i] is not null)];
        if (adaptive.Length == 0) return decisions;
        var sensitivity = new PlaceSensitivity(model, Array.ConvertAll(decisions, d => d.Site));
        bool smallest = decisions[adaptive[0]].Plan!.Options.Preset == Preset.Smallest;
        sensitiveBiases = smallest || savedEarlier > 0 ? [] : [.. biases.Where(b => sensitivity.OfBias(b.Layer) is not null)];
        ways =
        [
            .. adaptive.Select(i => Weighted(candidates[i]!, sensitivity.Of(decisions[i].Site))),
            .. sensitiveBiases.Select(b => WaysToStore(b, sensitivity.OfBias(b.Layer)!.Value)),
        ];
        var chosen = smallest ? PrecisionAllocator.Choose(ways, long.MaxValue, SmallestNoise) : WithinBytes(savedEarlier > 0 ? null : trial);
        IsNoiseNegligible = NoiseOf(chosen) <= NoiseTarget;
        wideBiases.UnionWith(WideBiasesOf(chosen));
        return Decide(chosen);
    }

    /// <summary>The choice with the least noise whose bytes are as many as there may be.</summary>
    private PrecisionCandidate[] WithinBytes(SizeTrial? trial)
    {
        var budget = Budget();
        // Where bytes are not what limits accuracy, biases are none of its limits either.
        PrecisionCandidate[] enough = [.. PrecisionAllocator.Choose(ways[..adaptive.Length], long.MaxValue, NoiseTarget), .. ways[adaptive.Length..].Select(w => w[0])];
        long needed = enough.Sum(c => c.ByteLength);
        if (needed <= budget.Weights - (trial is null ? 0 : MostMisjudged)) return enough;
        if (trial is not null)
        {
            if (needed <= budget.Weights + MostMisjudged && SizeOf(enough, trial) <= budget.File) return enough;
            if (Fitting(budget, trial) is { } fitting) return fitting;
        }
        else if (budget.Weights >= budget.Least)
        {
            return Choose(budget.Weights);
        }

        return needed <= budget.Otherwise ? enough : Choose(budget.Otherwise);
    }

    /// <summary>The choice that comes closest to the bytes that the file may have; null when all take more.</summary>
    private PrecisionCandidate[]? Fitting(ByteBudget budget, SizeTrial trial)
    {
        long limit = Math.Max(budget.Weights, budget.Least), most = 0, tolerance = (long)(budget.Original * Tolerance);
        PrecisionCandidate[]? fitting = null;
        var tried = new List<PrecisionCandidate[]>();
        for (var chosen = Choose(limit); tried.Count < MostTrials && !tried.Exists(t => t.SequenceEqual(chosen)); chosen = Choose(limit))
        {
            tried.Add(chosen);
            long size = SizeOf(chosen, trial);
            if (size <= budget.File && size > most) (fitting, most) = (chosen, size);
            if (size <= budget.File && size >= budget.File - tolerance) break;
            // Not to the last byte: what a table of levels more takes is estimated only.
            limit += budget.File - (tolerance / 2) - size;
        }

        return fitting;
    }

    private PrecisionCandidate[] Choose(long byteLimit) => PrecisionAllocator.Choose(ways, byteLimit, NoiseTarget);

    private long SizeOf(PrecisionCandidate[] chosen, SizeTrial trial) => trial.ByteLength(Decide(chosen), WideBiasesOf(chosen)) - SavedBySparseStorage(chosen);

    private double NoiseOf(PrecisionCandidate[] chosen) => chosen.Take(adaptive.Length).Sum(c => c.NoiseToSignal);

    private long SavedBySparseStorage(PrecisionCandidate[] chosen) => adaptive.Select((i, k) => chosen[k].Precision.IsByte ? candidates[i]!.SavedBySparseStorage : 0).Sum();

    private HashSet<Node> WideBiasesOf(PrecisionCandidate[] chosen) =>
        [.. sensitiveBiases.Where((_, k) => !chosen[adaptive.Length + k].Precision.IsHalf).SelectMany(b => b.Readers)];

    private WeightDecision[] Decide(PrecisionCandidate[] chosen)
    {
        var refined = decisions.ToArray();
        for (int k = 0; k < adaptive.Length; k++)
        {
            var decision = decisions[adaptive[k]];
            refined[adaptive[k]] = decision with { Plan = decision.Plan! with { Precision = chosen[k].Precision, Ranges = candidates[adaptive[k]]!.Ranges } };
        }

        return refined;
    }

    private IReadOnlyList<PrecisionCandidate> Weighted(RangedCandidates ranged, double sensitivity) =>
        [.. ranged.Candidates.Where(IsAllowed).Select(c => c with { NoiseToSignal = c.NoiseToSignal * sensitivity })];

    /// <summary>binary16, whose bytes are among the others already, or binary32.</summary>
    private static IReadOnlyList<PrecisionCandidate> WaysToStore(BiasPlan bias, double sensitivity) =>
        [new(WeightPrecision.Half, 0, bias.Rounded.Noise.NoiseToSignal * sensitivity), new(default, bias.SavedByteLength, 0)];

    private bool IsAllowed(PrecisionCandidate candidate) => savedEarlier == 0 || candidate.Precision.Bits >= LeastBitsOfRest;

    private ByteBudget Budget()
    {
        long others = StoredSize.OfAllBut([.. catalog.Weights.Select(w => w.Value)], model);
        long before = others + savedEarlier, plain = 0, least = 0, adaptiveBefore = 0;
        others += Overhead - savedByteLength;
        for (int i = 0; i < decisions.Length; i++)
        {
            before += StoredSize.OfFloat(decisions[i].Site);
            if (candidates[i] is { Candidates: var all })
            {
                plain += all[0].ByteLength;
                least += all.Where(IsAllowed).Min(c => c.ByteLength);
                adaptiveBefore += decisions[i].Site.Tensor.ByteLength;
            }
            else others += decisions[i].Plan is { } plan ? StoredSize.Of(plan) : StoredSize.OfFloat(decisions[i].Site);
        }

        // What was saved before, by storing equal weights once say, may be spent too, as far as that is in proportion.
        before = Math.Max(before, Math.Min(model.StoredByteLength, (long)(before * MaxSavedBefore)));
        long limit = (long)(before * (savedEarlier > 0 ? SizeRatioOfRest : EstimatedSizeRatio)) - others;
        double extra = others + plain > before * HopelessRatio ? HopelessExtra : LeastExtra;
        return new(limit, least, plain + (long)(adaptiveBefore * extra), (long)(before * SizeRatio), before);
    }

    /// <summary>How many bytes there may be.</summary>
    /// <param name="Weights">Of the adaptive weights together, as far as can be estimated.</param>
    /// <param name="Least">What they take at least, which may be more.</param>
    /// <param name="Otherwise">What they may take when the file cannot be as small as it should.</param>
    /// <param name="File">Of the file.</param>
    /// <param name="Original">Of the original.</param>
    private sealed record ByteBudget(long Weights, long Least, long Otherwise, long File, long Original);
}
