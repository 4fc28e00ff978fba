using System.Collections.Concurrent;
using ModelCompression.Numerics;
using ModelCompression.Numerics.NBits;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Packing;
using ModelCompression.Passes.Pruning;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary>Stores weights in 2 to 8 bits with scales per tensor, channel or block.</summary>
/// <param name="model">The model.</param>
/// <param name="statistics">Calibration data for algorithms that need it, or null.</param>
/// <param name="inputs">Samples that tell the mean of layers' inputs: calibration data, or noise; or null.</param>
/// <param name="log">Takes what was done.</param>
/// <param name="passName">The pass.</param>
/// <param name="cancellation">Stops the work.</param>
internal sealed class NBitQuantizer(Model model, IStatisticsSource? statistics, IStatisticsSource? inputs, PassLog log, string passName, CancellationToken cancellation)
{
    private readonly Dictionary<OnnxGraph, UnpackingSection> sections = new(ReferenceEqualityComparer.Instance);

    /// <summary>Encodes the weights, then writes those that take fewer bytes.</summary>
    /// <param name="plans">Plans in graph order.</param>
    /// <param name="records">Their records.</param>
    public void Run(IReadOnlyList<NBitPlan> plans, IReadOnlyList<LayerRecord> records)
    {
        var outcomes = new Outcome[plans.Count];
        var calibrated = new CalibratedRounding(model, statistics, cancellation);
        // What has too few rows, or inputs that cannot be seen, is rounded as by Hqq.
        NBitPlan[] others = [.. plans];
        calibrated.Run(plans, (i, rounder) =>
        {
            if (rounder is null) others[i] = plans[i] with { Options = plans[i].Options with { QuantizationAlgorithm = QuantizationAlgorithm.Hqq } };
            else outcomes[i] = Encode(plans[i], rounder, null);
        });
        var means = new MeanInputs(model, inputs, isMadeUp: statistics is null);
        means.Start(others);
        // Weights that need no means come first: their ranges are found while the model runs.
        int[] order = [.. Enumerable.Range(0, plans.Count).Where(i => !CalibratedRounding.IsNeeded(others[i])).OrderBy(means.IsWanted)];
        Parallel.ForEach(Partitioner.Create(order, EnumerablePartitionerOptions.NoBuffering), new ParallelOptions { CancellationToken = cancellation }, i => outcomes[i] = Encode(others[i], null, () => means.Of(i, others[i].Grid.Length)));
        means.Finish();
        if (calibrated.ShortOfRows > 0) log.Report(ShortOfRows(calibrated.ShortOfRows, plans[0].Options.QuantizationAlgorithm));
        for (int i = 0; i < plans.Count; i++)
        {
            var plan = calibrated.Reasons.TryGetValue(i, out string? reason) ? plans[i] with { Note = plans[i].Note.Length == 0 ? reason : $"{plans[i].Note}; {reason}" } : plans[i];
            if (outcomes[i].Form is { } form) Write(plan, outcomes[i], form, records[i], FormattableString.Invariant($"n{i}"));
            else Refuse(plans[i], records[i], outcomes[i].Reason);
        }

        bool usesOwnOperators = outcomes.Any(o => o.Form is MatMulNBitsForm or GatherBlockForm);
        if (usesOwnOperators) RuntimeOperators.Import(model);
    }

    private static Diagnostic ShortOfRows(int layers, QuantizationAlgorithm algorithm) => Diagnostic.Warning(
        "MCB4070",
        FormattableString.Invariant($"{layers} {(layers == 1 ? "layer has" : "layers have")} fewer calibration rows than {algorithm} needs and {(layers == 1 ? "was" : "were")} rounded as by Hqq, which needs no data. Give more CalibrationData or raise CalibrationSamples."));

    private Outcome Encode(NBitPlan plan, IRowRounder? rounder, Func<MeanInput?[]?>? means)
    {
        var weight = NBitEncoder.TryMake(plan, rounder, means, packs: true, cancellation);
        if (rounder is not null && weight is not null) statistics?.Record?.Outcome($"{plan.Options.QuantizationAlgorithm} of {plan.Site.Value.Name}", weight.Codes);
        // Once there are codes, the floats are not needed any more; of a large model they are most of the memory.
        plan.Site.Tensor.Data.ReleasePages();
        if (weight is null) return new("it has NaN or infinite elements, or such of extreme size (a root mean square beyond 1e-15 to 1e15)");
        var form = NBitForm.Of(plan, weight);
        return form.ByteLength < StoredSize.OfFloat(plan.Site)
            ? new("") { Form = form, Noise = weight.Noise, NonZeroCount = weight.NonZeroCount, IsFitted = rounder is not null, Remark = rounder is not null ? $", {plan.Options.QuantizationAlgorithm}" : !weight.KeepsMean ? "" : statistics is null ? ", output for the mean of made-up inputs kept" : ", output for the mean input kept" }
            : new("too small: codes, scales and unpacking nodes would take more bytes");
    }

    private void Write(NBitPlan plan, Outcome outcome, NBitForm form, LayerRecord record, string name)
    {
        var value = plan.Site.Value;
        if (!sections.TryGetValue(value.Graph, out var section)) sections.Add(value.Graph, section = new UnpackingSection(value.Graph));
        form.Write(section, name);
        if (value.Producer is { } constant) value.Graph.RemoveNode(constant);
        else value.Graph.RemoveInitializer(value);
        record.Bits = plan.Codes.Bits;
        record.CompressedBytes = form.ByteLength;
        record.Round(outcome.Noise, outcome.NonZeroCount, plan.Site.Tensor.ElementCount);
        string action = plan.Action(form.Description) + outcome.Remark;
        record.AddAction(action);
        record.IsFitted = outcome.IsFitted;
        record.Reason = plan.Note;
        log.Applied(passName, record.Weight, action);
    }

    private void Refuse(NBitPlan plan, LayerRecord record, string reason)
    {
        record.Reason = reason;
        log.Refused(passName, plan.Site.Value.Name, reason);
    }

    private readonly record struct Outcome(string Reason)
    {
        public NBitForm? Form { get; init; }

        public QuantizationNoise Noise { get; init; }

        public long NonZeroCount { get; init; }

        public bool IsFitted { get; init; }

        public string Remark { get; init; } = "";
    }
}
