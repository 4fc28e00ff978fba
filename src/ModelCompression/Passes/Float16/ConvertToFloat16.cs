using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Float16;

/// <summary>Rounds binary32 to binary16: <c>Quantization=Float16</c>. Needs no data; the model's inputs and outputs keep their types.</summary>
/// <remarks>
/// <para>
/// <c>QuantizationFormat=Folded</c>, which <c>Auto</c> takes: a stored constant is followed by Cast to binary32, which a runtime folds when a session is created.
/// Half the bytes, and the running model computes in binary32 as before, with weights that are off by at most 2⁻¹¹ of themselves. A CPU without binary16
/// arithmetic, where ONNX Runtime would convert every activation back and forth, loses no time.
/// </para>
/// <para>
/// <c>QuantizationFormat=QOperator</c>: operators compute in binary16, activations included, for runtimes and devices that have such arithmetic. What must stay
/// binary32 (<see cref="Float16Operators"/>) does, between Casts; its weights are stored as in the folded form.
/// </para>
/// </remarks>
public sealed class ConvertToFloat16 : ModelPass
{
    /// <summary>Binary16 keeps normal numbers to about 74 dB; less than this means that they lie outside its normal range.</summary>
    internal const double MinSqnrDb = 40;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var report = new Float16Report(Name, log);
        var plan = Float16Plan.Of(model, settings);
        foreach (var (node, reason) in plan.Reasons) log.Refused(Name, node.DisplayName, reason);
        if (plan.Any)
            foreach (var constant in new Float16Rewriter(model, plan).Rewrite()) report.Computed(constant);
        Store(model, settings, report, plan.Reasons);
    }

    /// <summary>Stores what binary32 operators are left with.</summary>
    private static void Store(Model model, CompressionSettings settings, Float16Report report, IReadOnlyDictionary<Node, string> whyFloat)
    {
        var rules = new StoredConstants(model, settings);
        var constants = Constants(model).ToArray();
        string?[] reasons = [.. constants.Select(c => rules.WhyNot(c.Value, c.Tensor))];
        var rounded = new Float16Tensor?[constants.Length];
        Parallel.For(0, constants.Length, i => rounded[i] = reasons[i] is null ? Float16Rounding.TryRound(constants[i].Tensor) : null);
        for (int i = 0, number = 0; i < constants.Length; i++)
        {
            var (value, tensor) = constants[i];
            if (value.Uses.Count == 0) continue;
            var consumer = value.Uses[0].Node;
            if ((reasons[i] ?? WhyUnsuitable(rounded[i])) is { } reason)
            {
                report.Refused(value, tensor, consumer, reason);
                continue;
            }

            Float16Storage.Write(model, value, rounded[i]!.Tensor, [.. value.Uses], FormattableString.Invariant($"h{number++}"));
            report.Stored(value, tensor, consumer, rounded[i]!, whyFloat.GetValueOrDefault(consumer, ""));
        }
    }

    /// <summary>Weights first, then all other constants, each in graph order.</summary>
    private static IEnumerable<(Value Value, Tensor Tensor)> Constants(Model model)
    {
        var catalog = WeightCatalog.Of(model);
        return catalog.Weights.Select(w => (w.Value, w.Tensor)).Concat(catalog.Others.Select(o => (o.Value, o.Tensor)));
    }

    private static string? WhyUnsuitable(Float16Tensor? rounded)
    {
        if (rounded is null) return "it has NaN or infinite elements";
        if (rounded.Overflows > 0) return FormattableString.Invariant($"{rounded.Overflows} elements are beyond ±65504, the range of binary16");
        return rounded.Noise.SqnrDb < MinSqnrDb
            ? FormattableString.Invariant($"its elements are too small for binary16 ({rounded.Noise.SqnrDb:0.0} dB would be left, at least {MinSqnrDb} are asked for)")
            : null;
    }
}
