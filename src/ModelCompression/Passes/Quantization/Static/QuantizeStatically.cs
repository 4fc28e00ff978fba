using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Quantization.Static;

/// <summary>Lets linear operators, and what lies between them, compute with 8-bit integers: <c>Quantization=Static</c>. Ranges of activations come from calibration data.</summary>
/// <param name="source">Calibration data.</param>
public sealed class QuantizeStatically(IStatisticsSource source) : ModelPass
{
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
        foreach (var (node, reason) in selector.Reasons) log.Refused(Name, node.DisplayName, reason);
        var ranges = ActivationRanges.Collect(model, StaticPlan.Of(nodes), settings.Model, source);
        nodes = WithKnownRanges(nodes, ranges, log);
        if (nodes.Count == 0) return;
        var plan = StaticPlan.Of(nodes);
        var scales = ranges.Scales(plan, settings.Model.ActivationBits);
        var weights = StaticWeights.Of(plan, scales, settings, model.OpsetImports.Onnx >= QdqFormat.AxisOpset);
        Record(plan, weights, settings, log);
        QdqWriter.Write(model, plan, scales, weights);
    }

    /// <summary>Leaves out nodes whose tensors have no usable range.</summary>
    private IReadOnlyList<QuantizedNode> WithKnownRanges(IReadOnlyList<QuantizedNode> nodes, ActivationRanges ranges, PassLog log)
    {
        var kept = new List<QuantizedNode>();
        foreach (var node in nodes)
        {
            string? problem = node.Activations.Select(i => node.Node.Inputs[i]!).Concat(node.Outputs).Select(ranges.Problem).FirstOrDefault(p => p is not null);
            if (problem is null) kept.Add(node);
            else log.Refused(Name, node.Node.DisplayName, problem);
        }

        return kept;
    }

    private void Record(StaticPlan plan, IReadOnlyDictionary<Value, WeightScales> weights, CompressionSettings settings, PassLog log)
    {
        foreach (var node in plan.Nodes)
        {
            if (node.WeightValue is not { } value || !value.TryGetConstant(out var tensor)) continue;
            var weight = weights[value];
            string name = value.Name;
            var record = log.Layer(value, () => new LayerRecord(node.Node.DisplayName, node.Node.OpType, name) { OriginalBytes = tensor.ByteLength });
            record.Bits = 8;
            record.CompressedBytes = weight.Codes.ByteLength + (weight.Scales.Length * sizeof(float));
            record.SqnrDb = double.IsFinite(weight.Noise.SqnrDb) ? weight.Noise.SqnrDb : null;
            record.AddAction(FormattableString.Invariant($"static int8 per {(weight.Scales.Length > 1 ? "channel" : "tensor")}, uint{settings.Model.ActivationBits} activations, QDQ"));
            log.Applied(Name, node.Node.DisplayName, record.Action);
        }
    }
}
