using ModelCompression.Onnx.Graph;
using ModelCompression.Packing;
using ModelCompression.Passes.Pruning;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Stores weights in 2 to 8 bits with scales per tensor, channel or block.</summary>
internal sealed class NBitQuantizer(Model model, PassLog log, string passName)
{
    private const string Microsoft = "com.microsoft";

    private readonly Dictionary<OnnxGraph, UnpackingSection> sections = new(ReferenceEqualityComparer.Instance);

    /// <summary>Encodes the weights, then writes those that take fewer bytes.</summary>
    /// <param name="plans">Plans in graph order.</param>
    /// <param name="records">Their records.</param>
    public void Run(IReadOnlyList<NBitPlan> plans, IReadOnlyList<LayerRecord> records)
    {
        var outcomes = new Outcome[plans.Count];
        Parallel.For(0, plans.Count, i => outcomes[i] = Encode(plans[i]));
        for (int i = 0; i < plans.Count; i++)
        {
            if (outcomes[i].Form is { } form) Write(plans[i], outcomes[i], form, records[i], FormattableString.Invariant($"n{i}"));
            else Refuse(plans[i], records[i], outcomes[i].Reason);
        }

        bool usesOwnOperators = outcomes.Any(o => o.Form is MatMulNBitsForm or GatherBlockForm);
        if (usesOwnOperators && !model.OpsetImports.Contains(Microsoft)) model.OpsetImports[Microsoft] = 1;
    }

    private static Outcome Encode(NBitPlan plan)
    {
        var weight = NBitEncoder.TryMake(plan);
        // Once there are codes, the floats are not needed any more; of a large model they are most of the memory.
        plan.Site.Tensor.Data.ReleasePages();
        if (weight is null) return new(null, double.NaN, "it has NaN or infinite elements");
        var form = NBitForm.Of(plan, weight);
        return form.ByteLength < StoredSize.OfFloat(plan.Site)
            ? new(form, weight.Noise.SqnrDb, "")
            : new(null, double.NaN, "too small: codes, scales and unpacking nodes would take more bytes");
    }

    private void Write(NBitPlan plan, Outcome outcome, NBitForm form, LayerRecord record, string name)
    {
        var value = plan.Site.Value;
        bool wasInput = value.IsGraphInput;
        if (!sections.TryGetValue(value.Graph, out var section)) sections.Add(value.Graph, section = new UnpackingSection(value.Graph));
        form.Write(section, name);
        if (value.Producer is { } constant) value.Graph.RemoveNode(constant);
        else value.Graph.RemoveInitializer(value);
        record.Bits = plan.Codes.Bits;
        record.CompressedBytes = form.ByteLength;
        record.SqnrDb = double.IsFinite(outcome.SqnrDb) ? outcome.SqnrDb : null;
        record.AddAction(plan.Action(form.Description));
        record.Reason = wasInput && plan.Note.Length == 0 ? "was listed as a graph input; it no longer is" : plan.Note;
        log.Applied(passName, record.Weight, plan.Action(form.Description));
    }

    private void Refuse(NBitPlan plan, LayerRecord record, string reason)
    {
        record.Reason = reason;
        log.Refused(passName, plan.Site.Value.Name, reason);
    }

    private readonly record struct Outcome(NBitForm? Form, double SqnrDb, string Reason);
}
