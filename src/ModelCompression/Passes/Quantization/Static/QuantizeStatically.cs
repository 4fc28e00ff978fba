using ModelCompression.Analysis;
using ModelCompression.Analysis.Costs;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning;
using ModelCompression.Passes.Sensitivity;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Lets linear operators, and what lies between them, compute with 8-bit integers: <c>Quantization=Static</c>. Ranges of activations come from calibration data.</summary>
/// <param name="source">Calibration data.</param>
/// <param name="decisions">Keeps the choice of operators for a later run, or has it from an earlier one; null for a single run.</param>
/// <param name="rehearses">True if the run only shows what quantization would do: its ranges are not those of the result, and values between operators can be observed (QDQ pairs whatever the format).</param>
public sealed class QuantizeStatically(IStatisticsSource source, StaticDecisions? decisions = null, bool rehearses = false) : ModelPass
{
    /// <summary>Samples that operators are judged on.</summary>
    private const int ComparedSamples = 16;

    /// <summary>Wanted ratio of outputs to their error, in dB. Errors of scores decide between classes that may be close.</summary>
    private const double OutputTarget = 30, ScoreTarget = 32;

    /// <summary>Bytes that the weights quantized so far take less.</summary>
    public long SavedByteLength { get; private set; }

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        if (model.OpsetImports.Onnx < QdqFormat.OldestOpset)
        {
            log.Refused(Name, "model", FormattableString.Invariant($"opset {model.OpsetImports.Onnx} has no QuantizeLinear and cannot be converted; weights only are quantized"));
            return;
        }

        var catalog = WeightCatalog.Of(model);
        var selector = new NodeSelector(model, catalog, settings);
        var nodes = selector.Select();
        if (nodes.Count == 0)
        {
            Explain(nodes, selector, catalog, settings, log);
            return;
        }

        var wanted = new StatisticsPlan();
        bool searches = settings.Model.QuantizationFormat == QuantizationFormat.Auto && decisions is not { AreMade: true };
        var reference = searches ? OutputReference.Of(model, wanted, source, ComparedSamples) : null;
        var ranges = ActivationRanges.Collect(model, StaticPlan.Of(nodes), settings.Model, source, perChannel: AllowsChannels(model, settings.Model), rehearses ? null : source.Record, decisions?.Rehearsed, wanted);
        if (rehearses && decisions is not null) decisions.Rehearsed = ranges;
        var excluded = decisions is { AreMade: true } ? decisions.For(model) : StaticDecisions.Recorded(source.Record, model, () => Exclude(model, nodes, selector, ranges, reference, settings));
        decisions?.Make(excluded);
        nodes = selector.Select(excluded);
        Explain(nodes, selector, catalog, settings, log);
        if (nodes.Count == 0) return;
        if (TargetProcessor.WhyNotJudgedHere(settings.Model.TargetCpu, TargetProcessor.BuildMachineHasVnni) is { } warning) log.Report(warning);
        var plan = StaticPlan.Of(nodes);
        var scales = ranges.Scales(plan, settings.Model.ActivationBits, areFinal: true);
        var weights = new StaticWeights(plan, scales, settings, model.OpsetImports.Onnx >= QdqFormat.AxisOpset, ranges).Quantize();
        decisions?.NoteCorrected(plan.Nodes.Where(n => n.WeightValue is not null && weights[n.WeightValue].MeanErrors is not null).Select(n => n.Node));
        Record(plan, weights, settings, log);
        QdqWriter.Write(model, plan, scales, weights);
        if (!rehearses) WriteOperators(model, plan, settings, log);
        foreach (var node in plan.Nodes)
            if (node is { QuantizesOutput: false, Node.Graph: not null }) ProductSums.KeepApart(node.Node);
    }

    private void WriteOperators(Model model, StaticPlan plan, CompressionSettings settings, PassLog log)
    {
        foreach (var (node, reason) in QOperatorWriter.Write(model, plan.Nodes.Where(n => UsesOperators(n.Node, settings)))) log.Refused(Name, node.DisplayName, $"kept as QDQ: {reason}");
    }

    /// <summary>Says why operators stay float, beside them and beside their weights.</summary>
    private void Explain(IReadOnlyList<QuantizedNode> nodes, NodeSelector selector, WeightCatalog catalog, CompressionSettings settings, PassLog log)
    {
        foreach (var (node, reason) in selector.Reasons) log.Refused(Name, node.DisplayName, reason);
        var integers = nodes.Where(n => n.WeightValue is not null).Select(n => n.WeightValue!).ToHashSet<Value>(ReferenceEqualityComparer.Instance);
        foreach (var site in catalog.Weights)
        {
            // Records come in graph order: those of integer layers are filled in later.
            var record = PruningRecord.Of(log, site);
            if (!integers.Contains(site.Value) && selector.WhyNot(site) is { } reason) record.Reason = $"not static: {reason}";
        }

        if (!rehearses && !nodes.Any(n => n.Role == StaticRole.Linear)) log.Report(NothingInIntegers(settings.Model.QuantizationFormat == QuantizationFormat.Auto));
    }

    private static Diagnostic NothingInIntegers(bool mayAskForMore) => Diagnostic.Note("MCB4048",
        "Quantization=Static leaves every operator in floating point, since integers would not be faster, would change the outputs too much, or have no operator for what the model computes; weights are still stored in few bits. The report gives the reason for each operator" + (mayAskForMore ? "; QuantizationFormat=QDQ computes in integers all the same." : "."));

    private static bool UsesOperators(Node node, CompressionSettings settings) => settings.For(node).QuantizationFormat == QuantizationFormat.QOperator;

    /// <summary>Linear operators that stay float, and why: tensors without a usable range, too little work, too much noise.</summary>
    private static IReadOnlyDictionary<Node, string> Exclude(Model model, IReadOnlyList<QuantizedNode> nodes, NodeSelector selector, ActivationRanges ranges, OutputReference? reference, CompressionSettings settings)
    {
        var excluded = new Dictionary<Node, string>(ReferenceEqualityComparer.Instance);
        foreach (var node in nodes)
        {
            if (node.Activations.Select(i => node.Node.Inputs[i]!).Concat(node.Outputs).Select(ranges.Problem).FirstOrDefault(p => p is not null) is { } problem) excluded.Add(node.Node, problem);
        }

        if (reference is null) return excluded;
        foreach (var node in nodes)
            if (node.Role == StaticRole.Linear && MakesScores(node.Node)) excluded.TryAdd(node.Node, "its outputs are the scores of close classes: their rounding decides");
        double target = Math.Pow(10, -(reference.HasScores ? ScoreTarget : OutputTarget) / 10);
        return new FloatNodeSearch(selector, new NodeSensitivity(model, reference, ranges, settings), new TimeEstimate(model, ranges, AllowsChannels(model, settings.Model)), target).Run(excluded);
    }

    /// <summary>True where activations may have scales per channel: DequantizeLinear knows axes and the user wants channels.</summary>
    private static bool AllowsChannels(Model model, CompressionOptions options) =>
        model.OpsetImports.Onnx >= QdqFormat.AxisOpset && options.QuantizationGranularity == QuantizationGranularity.Channel && options.QuantizationScheme != QuantizationScheme.PowerOfTwo;

    /// <summary>True for the classifier in front of the Softmax that a model returns.</summary>
    private static bool MakesScores(Node node)
    {
        var value = node.Outputs[0]!;
        while (value is { IsGraphOutput: false, Uses: [var use] })
        {
            if (use.Node.Is("Softmax") || use.Node.Is("LogSoftmax")) return use.Node.Outputs[0]!.IsGraphOutput;
            if (!use.Node.Is("Add") && StaticOperators.RoleOf(use.Node) != StaticRole.Moves) return false;
            value = use.Node.Outputs[0]!;
        }

        return false;
    }

    private void Record(StaticPlan plan, IReadOnlyDictionary<Value, WeightScales> weights, CompressionSettings settings, PassLog log)
    {
        foreach (var node in plan.Nodes)
        {
            if (node.WeightValue is not { } value || !value.TryGetConstant(out var tensor)) continue;
            var weight = weights[value];
            var record = PruningRecord.Of(log, value, tensor, node.Node);
            record.Bits = 8;
            record.CompressedBytes = weight.Codes.ByteLength + (weight.Scales.Length * sizeof(float));
            record.Round(weight.Noise, NonZeroCounter.Count([weight.Codes])[0], tensor.ElementCount);
            record.AddAction(FormattableString.Invariant($"static int8 per {(weight.Scales.Length > 1 ? "channel" : "tensor")}, uint{settings.Model.ActivationBits} activations, {(UsesOperators(node.Node, settings) ? "QOperator" : "QDQ")}"));
            SavedByteLength += tensor.ByteLength - record.CompressedBytes;
            log.Applied(Name, node.Node.DisplayName, record.Action);
        }
    }
}
