using ModelCompression.Data;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Synthetic;

namespace ModelCompression.Runtime;

/// <summary>
/// Seeded inputs for a model nobody gave data for. They serve to see that a model loads and runs and how far the compressed one is from the original on them;
/// they say nothing about accuracy on real data and are always reported as synthetic.
/// </summary>
/// <remarks>
/// Symbols that occur twice get one size; sizes come from the weights an input meets where these decide, else from a ladder of usual sizes that is climbed until the model runs.
/// Integer inputs stay below the tables they index; masks are ones; see <see cref="SyntheticSignal"/> for float inputs. The graph is read in <see cref="For(Model, int)"/> only.
/// </remarks>
public sealed class SyntheticInputs : SampleSource
{
    private const long BigModelByteLength = 64L << 20;
    private const long HugeModelByteLength = 256L << 20;
    private const int LongerCount = 4;
    private const double MaxElementCount = 1 << 26;
    private const double BigInputElementCount = 1 << 16;

    private readonly IReadOnlyList<InputPlan> plans;
    private readonly IReadOnlyList<SyntheticAttempt> attempts;
    private readonly int seed;

    private SyntheticInputs(IReadOnlyList<InputPlan> plans, IReadOnlyList<SyntheticAttempt> ladder, int count, int seed, string? refusal)
    {
        this.plans = plans;
        this.seed = seed;
        attempts = DistinctAttempts(plans, ladder);
        Refusal = refusal ?? (attempts.Count == 0 ? "its inputs are too large to make up values for" : null);
        if (Refusal is null) Count = HasOpenBatch(plans, attempts[0]) ? count / attempts[0].Batch : ElementCount(plans, attempts[0]) > BigInputElementCount ? Math.Min(count, 2) : count;
    }

    /// <inheritdoc/>
    public override SampleOrigin Origin => SampleOrigin.Synthetic;

    /// <inheritdoc/>
    public override int Count { get; }

    /// <inheritdoc/>
    public override int AttemptCount => attempts.Count;

    /// <inheritdoc/>
    public override string? Refusal { get; }

    /// <summary>Plans inputs for a model: 4 samples; 2 from 64 MiB of weights or 65,536 input elements on; 1 from 256 MiB on.</summary>
    public static SyntheticInputs For(Model model, int seed = 0) => For(model, seed, SyntheticAttempt.Ladder);

    /// <summary>Inputs that are longer where the model leaves that open: what layers see of them comes closer to what they see of real ones.</summary>
    /// <remarks>4 samples; from 256 MiB of weights on 2 in one run where a batch may have any size, 1 where the model turns out not to take two at once.</remarks>
    internal static SyntheticInputs Longer(Model model, int seed) => Longer(model, seed, isHuge: WeightByteLength(model) >= HugeModelByteLength);

    /// <inheritdoc cref="Longer(Model, int)"/>
    internal static SyntheticInputs Longer(Model model, int seed, bool isHuge)
    {
        if (!isHuge) return For(model, seed, [SyntheticAttempt.Longer, .. SyntheticAttempt.Ladder], LongerCount);
        var batch = SyntheticAttempt.LongerBatch;
        return For(model, seed, [batch, SyntheticAttempt.Longer, .. SyntheticAttempt.Ladder], batch.Batch);
    }

    private static SyntheticInputs For(Model model, int seed, IReadOnlyList<SyntheticAttempt> ladder, int? wantedCount = null)
    {
        long weights = WeightByteLength(model);
        int count = wantedCount ?? (weights >= HugeModelByteLength ? 1 : weights >= BigModelByteLength ? 2 : 4);
        try
        {
            var inputs = model.Graph.Inputs.Where(i => i.Initializer is null && i.SparseInitializer is null);
            return new SyntheticInputs(InputPlan.ForAll(inputs), ladder, count, seed, null);
        }
        catch (NotSupportedException e)
        {
            return new SyntheticInputs([], ladder, 0, seed, e.Message);
        }
    }

    /// <inheritdoc/>
    public override Sample Read(int attempt, int index)
    {
        var chosen = attempts[attempt];
        return new Sample([.. plans.Select((plan, i) =>
        {
            var tensor = new TensorValue(SyntheticTensor.Make(plan, plan.ShapeFor(chosen), chosen, SeededRandom.From(seed, index, i)));
            return new NamedValue(plan.Name, plan.IsSequence ? new SequenceValue([tensor]) : tensor);
        })]);
    }

    private static long WeightByteLength(Model model) => model.Graph.Initializers.Sum(i => i.Initializer?.ByteLength ?? 0);

    private static bool HasOpenBatch(IReadOnlyList<InputPlan> plans, SyntheticAttempt attempt) =>
        attempt.Batch > 1 && ElementCount(plans, attempt) > ElementCount(plans, attempt with { Batch = 1 });

    /// <summary>In floating point: claimed sizes may be beyond any integer.</summary>
    private static double ElementCount(IReadOnlyList<InputPlan> plans, SyntheticAttempt attempt) =>
        plans.Sum(p => p.ShapeFor(attempt).Aggregate(1.0, (a, b) => a * b));

    /// <summary>Drops attempts that would feed the same as an earlier one, and those whose inputs together have more than 2^26 elements.</summary>
    private static List<SyntheticAttempt> DistinctAttempts(IReadOnlyList<InputPlan> plans, IReadOnlyList<SyntheticAttempt> ladder)
    {
        bool hasIntegers = plans.Any(p => !p.Type.IsFloatingPoint() && p.Type != DataType.String);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var distinct = new List<SyntheticAttempt>();
        foreach (var attempt in ladder)
        {
            if (ElementCount(plans, attempt) > MaxElementCount) continue;
            string differs = string.Join(';', plans.Select(p => string.Join(',', p.ShapeFor(attempt)))) + (attempt.IsNormalized && plans.Any(p => p.IsPicture(attempt)) ? " normalized" : "");
            if (seen.Add(hasIntegers ? $"{differs} {attempt.Fill}" : differs)) distinct.Add(attempt);
        }

        return distinct;
    }
}
