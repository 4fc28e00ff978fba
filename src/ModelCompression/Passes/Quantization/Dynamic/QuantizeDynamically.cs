using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning;

namespace ModelCompression.Passes.Quantization.Dynamic;

/// <summary>
/// Lets matrix products and LSTMs compute with integers: weights are quantized now, activations at every run. <c>Quantization=Dynamic</c>. Needs no data.
/// Weights of other operators are left to <see cref="QuantizeWeights"/>, with the reason.
/// </summary>
/// <remarks>
/// x ≈ s_x (q_x − z_x) over the whole tensor with q_x in 0…255 (ONNX DynamicQuantizeLinear-11), w ≈ s_w (q_w − z_w) per output channel; y = s_x s_w Σ (q_x − z_x)(q_w − z_w).
/// The sum is exact; see <see cref="TargetProcessor"/> for why weights are unsigned unless the target has VNNI.
/// </remarks>
public sealed class QuantizeDynamically : ModelPass
{
    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var catalog = WeightCatalog.Of(model);
        var planner = DynamicPlanner.Of(model, catalog, settings);
        var calls = planner.Calls.ToArray();
        var weights = Encode(planner, calls, catalog);
        foreach (var target in calls.Select(c => c.Options.TargetCpu).Distinct())
            if (TargetProcessor.WhyNotJudgedHere(target, TargetProcessor.BuildMachineHasVnni) is { } warning) log.Report(warning);
        var writer = new IntegerCallWriter(model, weights);
        foreach (var call in calls)
        {
            if (call.Operands.All(o => weights.ContainsKey(o.Site.Value)))
            {
                Record(call, weights, log);
                writer.Write(call);
            }
            else Refuse(call.Node, catalog, "it has NaN or infinite elements", log);
        }

        writer.RemoveFloats();
        foreach (var (node, reason) in planner.Reasons) Refuse(node, catalog, reason, log);
    }

    /// <summary>Quantizes every weight once; a weight with NaN or infinite elements takes the calls that need it with it.</summary>
    private static Dictionary<Value, IntegerWeight> Encode(DynamicPlanner planner, IntegerCall[] calls, WeightCatalog catalog)
    {
        var plans = new Dictionary<Value, IntegerWeightPlan>(ReferenceEqualityComparer.Instance);
        foreach (var call in calls)
            foreach (var operand in call.Operands) plans.TryAdd(operand.Site.Value, planner.PlanOf(call, operand));
        var ordered = catalog.Weights.Where(w => plans.ContainsKey(w.Value)).ToArray();
        var encoded = new IntegerWeight?[ordered.Length];
        Parallel.For(0, ordered.Length, i => encoded[i] = IntegerWeight.TryMake(plans[ordered[i].Value], threads: -1));
        var weights = new Dictionary<Value, IntegerWeight>(ReferenceEqualityComparer.Instance);
        for (int i = 0; i < ordered.Length; i++)
            if (encoded[i] is { } weight) weights.Add(ordered[i].Value, weight);
        foreach (var call in calls)
            if (!call.Operands.All(o => weights.ContainsKey(o.Site.Value)))
                foreach (var operand in call.Operands) weights.Remove(operand.Site.Value);
        return weights;
    }

    private void Record(IntegerCall call, Dictionary<Value, IntegerWeight> weights, PassLog log)
    {
        foreach (var operand in call.Operands)
        {
            var weight = weights[operand.Site.Value];
            if (operand.Site.Node != call.Node) continue;
            var record = PruningRecord.Of(log, operand.Site);
            record.Bits = call.Options.WeightBits;
            record.CompressedBytes = weight.Codes.StoredByteLength + (weight.Scales.Length * (weight.HasCommonZeroPoint ? sizeof(float) : sizeof(float) + 1));
            record.Round(weight.Noise, weight.NonZeroCount, operand.Site.Tensor.ElementCount);
            string type = weight.Plan.Type == Onnx.Tensors.DataType.Int8 ? "int8" : "uint8";
            string bits = call.Options.WeightBits == 8 ? type : FormattableString.Invariant($"{call.Options.WeightBits} bit in {type}");
            string action = $"dynamic {bits} per {(operand.ScaleAxes.Count == 0 ? "tensor" : "channel")}, {NameOf(call.Kernel)}";
            record.AddAction(action);
            record.Reason = Note(call, weight);
            log.Applied(Name, operand.Site.Value.Name, action);
        }
    }

    private static string NameOf(IntegerKernel kernel) => kernel == IntegerKernel.DynamicQuantizeLstm ? "DynamicQuantizeLSTM" : kernel.ToString();

    private static string Note(IntegerCall call, IntegerWeight weight)
    {
        if (call.Options.QuantizationScheme == QuantizationScheme.Asymmetric && weight.Plan.Range.IsSymmetric) return "symmetric: the kernel takes one zero point for all channels";
        return weight.Plan.Offset > 0 ? "unsigned: exact on x64 without VNNI too" : "";
    }

    private void Refuse(Node node, WeightCatalog catalog, string reason, PassLog log)
    {
        log.Refused(Name, node.DisplayName, reason);
        foreach (var site in catalog.Weights)
            if (site.Node == node) PruningRecord.Of(log, site).Reason = $"not dynamic: {reason}";
    }
}
