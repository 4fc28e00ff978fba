using System.Collections.Concurrent;
using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Pruning;
using ModelCompression.Passes.Quantization.BiasCorrection;
using ModelCompression.Passes.Quantization.NBits;
using ModelCompression.Passes.Simplification;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization;

/// <summary>
/// Stores weights as 8-bit integers with scales and lets the model unpack them: <c>Quantization=WeightOnly</c>. Needs no data; activations stay float.
/// </summary>
/// <remarks>
/// ŵ = (code − zero point) · scale, code = clamp(round(w / scale) + zero point), ties to even; symmetric codes are −127…127 with scale max|w|/127 and zero point 0,
/// asymmetric ones 0…255 with scale (max − min)/255, the range widened to contain 0. Zeros stay zeros. Biases and normalization parameters stay float: they are
/// few and every error in them reaches all elements of a channel. With <c>QuantizationFormat=Auto</c> accuracy is protected: see <see cref="PrecisionPlanner"/> and
/// <see cref="BiasPlanner"/>.
/// </remarks>
/// <param name="statistics">Calibration data for <c>QuantizationAlgorithm=Gptq</c> and <c>AdaRound</c>, or null when there is none.</param>
/// <param name="inputs">Samples that tell the mean of layers' inputs, for weights in few bits: calibration data, or noise; null for none.</param>
/// <param name="savedEarlier">Tells how many bytes less weights take already because an earlier pass has quantized them; null for none.</param>
/// <param name="rehearsed">Keeps the codes of a rehearsal for the run after it; null for a single run.</param>
/// <param name="rehearses">True for the rehearsal.</param>
/// <param name="finished">Runs the passes that come later on a copy of the model and gives its bytes; null when these can only be estimated.</param>
/// <param name="cancellation">Stops the work.</param>
public sealed class QuantizeWeights(IStatisticsSource? statistics = null, Func<long>? savedEarlier = null, IStatisticsSource? inputs = null, RehearsedWeights? rehearsed = null, bool rehearses = false, Func<Model, long>? finished = null, CancellationToken cancellation = default) : ModelPass
{
    /// <summary>Constants smaller than this are left out of the report when they cannot be weights.</summary>
    private const long ReportedByteLength = 4096;

    /// <summary>
    /// Scale from which integer kernels may overflow: they add up codes that are not centred, times scales, before they take off what is too much. The weights of no trained model come near it.
    /// </summary>
    private const float LeastExtremeScale = 1e15f;

    /// <summary>See <see cref="FormRules.FusedMatMulByteLength"/>.</summary>
    internal long FusedByteLength { get; init; } = FormRules.FusedMatMulByteLength;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var catalog = WeightCatalog.Of(model);
        // Operators of other names may take the place of these.
        var readers = catalog.Others.Where(o => o.Value.Uses.Count > 0).ToDictionary(o => o.Value, o => (o.Value.Uses[0].Node.DisplayName, o.Value.Uses[0].Node.OpType));
        var planner = new WeightPlanner(model, catalog, settings, FusedByteLength);
        long savedByNames = ShortenNames.Plan(model, settings)?.SavedByteLengthBeside(catalog.Weights.Select(w => w.Value).ToHashSet()) ?? 0;
        var names = savedByNames > 0 ? NameStyle.Shortened : NameStyle.AsMade;
        var biases = new BiasPlanner(model, settings, names).Plan(catalog);
        var asked = catalog.Weights.Select(planner.Decide).Select(d => d.Plan is { } plan ? d with { Plan = plan with { Names = names } } : d);
        WeightDecision[] decisions = [.. asked];
        var offsets = new RoundingOffsets(model, settings, statistics is null ? inputs : null);
        offsets.Find(decisions);
        var precision = new PrecisionPlanner(model, catalog, biases, biases.Sum(b => b.SavedByteLength) + savedByNames - offsets.AddedByteLength, savedEarlier?.Invoke() ?? 0);
        var trial = finished is null || Array.Exists(decisions, d => d.NBits is not null) ? null : new SizeTrial(model, settings, names, offsets.NewlyBiased, finished);
        decisions = offsets.Ask(precision.Refine(decisions, trial), isWorthIt: !precision.IsNoiseNegligible);
        var records = Array.ConvertAll(decisions, d => PruningRecord.Of(log, d.Site));
        var encoded = new (WeightPlan? Plan, EncodedWeight? Weight, CodeStorage? Codes, string WhyNot)[decisions.Length];
        // Weights that wait for their inputs come last.
        int[] order = [.. Enumerable.Range(0, decisions.Length).OrderBy(i => decisions[i].Plan?.Offsets is not null)];
        Parallel.ForEach(Partitioner.Create(order, EnumerablePartitionerOptions.NoBuffering), new ParallelOptions { CancellationToken = cancellation }, i => encoded[i] = Encode(decisions[i].Plan));
        // Biases are judged as they are when they are rounded.
        if (offsets.Apply(decisions, Name, log)) biases = new BiasPlanner(model, settings, names).Plan(WeightCatalog.Of(model), offsets.WithoutBias);
        biases = [.. biases.Where(b => !b.Readers.Any(precision.WideBiases.Contains))];
        int[] fewBits = [.. Enumerable.Range(0, decisions.Length).Where(i => decisions[i].NBits is not null)];
        new NBitQuantizer(model, statistics, inputs, log, Name, cancellation).Run([.. fewBits.Select(i => decisions[i].NBits!)], [.. fewBits.Select(i => records[i])]);
        var writers = new Dictionary<OnnxGraph, ConstantWriter>(ReferenceEqualityComparer.Instance);
        for (int i = 0, number = 0; i < decisions.Length; i++)
        {
            if (decisions[i].NBits is not null) continue;
            var record = records[i];
            if (encoded[i] is ({ } plan, { } weight, { } codes, _))
            {
                if (!writers.TryGetValue(plan.Target.Graph, out var writer)) writers.Add(plan.Target.Graph, writer = new ConstantWriter(plan.Target));
                Record(plan, weight, codes, record, log);
                if (plan.Product is not null) RuntimeOperators.Import(model);
                WeightWriter.Write(plan, weight, codes, writer, number++);
            }
            else Refuse(record, decisions[i].Plan is null ? decisions[i].Reason : encoded[i].WhyNot, log);
        }

        foreach (var bias in biases) Write(model, bias, readers, log);
        foreach (var other in catalog.Others)
        {
            if (other.Tensor.ByteLength < ReportedByteLength || other.Value.Uses.Count == 0 || other.Value.Uses.All(u => QuantizedOperators.IsQuantized(u.Node))) continue;
            var record = PruningRecord.Of(log, other.Value, other.Tensor, readers[other.Value]);
            if (record.Reason.Length == 0) record.Reason = other.Reason;
        }
    }

    /// <summary>Codes of a weight as planned, or folded where that form computes with numbers of any size only; or why there are none.</summary>
    private (WeightPlan?, EncodedWeight?, CodeStorage?, string WhyNot) Encode(WeightPlan? plan)
    {
        if (plan is null) return default;
        if ((rehearsed?.Take(plan) ?? Release(plan, EncodedWeight.TryMake(plan, threads: -1))) is not { } weight) return (null, null, null, "it has NaN or infinite elements");
        if (plan.Form is WeightForm.ProductBlocks or WeightForm.Dequantized && Array.Exists(weight.Scales, s => s >= LeastExtremeScale))
        {
            const string reason = "its numbers are so large that an integer kernel may overflow";
            return plan.Options.QuantizationFormat == QuantizationFormat.Auto ? Encode(plan.AsFolded(reason)) : (null, null, null, reason);
        }

        if (rehearses) rehearsed?.Add(plan, weight);
        return (plan, weight, CodeStorage.Of(plan, weight), "");
    }

    /// <summary>The floats are not needed any more once there are codes; of a large model they are most of the memory.</summary>
    private static EncodedWeight? Release(WeightPlan plan, EncodedWeight? weight)
    {
        plan.Site.Tensor.Data.ReleasePages();
        return weight;
    }

    private void Record(WeightPlan plan, EncodedWeight weight, CodeStorage codes, LayerRecord record, PassLog log)
    {
        string name = plan.Site.Value.Name;
        record.Bits = plan.Precision.Bits;
        record.CompressedBytes = codes.ByteLength + weight.BlockMultiples.Length + (weight.Scales.Length * (plan.Precision.HasHalfScales ? sizeof(short) : plan.Codes.IsSymmetric ? sizeof(float) : 2 * sizeof(float)));
        record.Round(weight.Noise, weight.NonZeroCount, plan.Site.Tensor.ElementCount);
        string action = codes.Description.Length == 0 ? plan.Action : $"{plan.Action}, {codes.Description}";
        record.AddAction(action);
        // What has been said before, such as why the layer does not compute with integers, stands.
        if (plan.Note.Length > 0 || plan.Options.Quantization == QuantizationMode.WeightOnly) record.Reason = plan.Note;
        log.Applied(Name, name, action);
    }

    private void Write(Model model, BiasPlan plan, Dictionary<Value, (string, string)> readers, PassLog log)
    {
        var value = plan.Bias.Value;
        // A bias that rounding has just given a layer has the reader that it was made for.
        var record = PruningRecord.Of(log, value, plan.Bias.Tensor, readers.TryGetValue(value, out var reader) ? reader : (value.Uses[0].Node.DisplayName, value.Uses[0].Node.OpType));
        record.Bits = 16;
        record.CompressedBytes = plan.Rounded.Tensor.ByteLength;
        record.Lose(LossStep.Rounding, plan.Rounded.Noise, plan.Rounded.Noise.Signal);
        record.AddAction("bias stored as float16, folded");
        Float16Storage.Write(model, value, plan.Rounded.Tensor, [.. value.Uses], "b0");
        log.Applied(Name, record.Weight, "bias stored as float16, folded");
    }

    private void Refuse(LayerRecord record, string reason, PassLog log)
    {
        record.Reason = reason;
        log.Refused(Name, record.Weight, reason);
    }
}
