using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;

namespace ModelCompression.Passes.Conversion;

/// <summary>Converts a model of opset 7 to 12 to opset 13, which quantization per channel needs. All or nothing: with one operator that has no rule the model stays as it is, and says why.</summary>
/// <remarks>
/// Attributes that became inputs: Clip, Pad, Slice, TopK, Squeeze, Unsqueeze, ReduceSum, Split. Softmax and its kin: <see cref="FlattenedSoftmax"/>. Upsample and Resize: <see cref="Resampling"/>.
/// Scatter becomes ScatterElements. See the version history in ONNX's Changelog.md. Results are the same bits.
/// </remarks>
public sealed class RaiseOpset : ModelPass
{
    /// <summary>The IR version that belongs to opset 13.</summary>
    private const long IrVersion = 7;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        long from = model.OpsetImports.Onnx;
        if (from >= OpsetRules.Newest) return;
        var nodes = model.Graph.SelfAndSubgraphs().SelectMany(g => g.Nodes).ToArray();
        if (WhyNot(nodes, from) is { } refusal)
        {
            log.Refused(Name, refusal.Target, refusal.Reason);
            return;
        }

        ShapeInference.Run(model);
        foreach (var node in nodes) OpsetRules.Convert(node, from);
        model.OpsetImports[""] = OpsetRules.Newest;
        RaiseIrVersion.To(model, IrVersion);
        log.Applied(Name, "model", FormattableString.Invariant($"opset {from} converted to {OpsetRules.Newest}"));
    }

    private static (string Target, string Reason)? WhyNot(IEnumerable<Node> nodes, long from)
    {
        if (from < OpsetRules.Oldest) return ("model", FormattableString.Invariant($"opset {from} is older than {OpsetRules.Oldest}"));
        foreach (var node in nodes)
            if (OpsetRules.WhyNot(node, from) is { } reason) return (node.DisplayName, reason);
        return null;
    }
}
