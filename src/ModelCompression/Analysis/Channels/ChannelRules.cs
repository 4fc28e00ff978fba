using ModelCompression.Analysis.Channels.Rules;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Channels;

/// <summary>States what removing positions of one axis of a node's values means for its other values.</summary>
internal delegate void ChannelRule(Node node, ChannelTracer tracer);

/// <summary>One rule per operator. An operator without a rule keeps everything it touches.</summary>
internal static class ChannelRules
{
    private static readonly Dictionary<string, ChannelRule> Standard = new(StringComparer.Ordinal)
    {
        ["Conv"] = ConvolutionRules.Conv,
        ["ConvTranspose"] = ConvolutionRules.ConvTranspose,
        ["Gemm"] = MatrixRules.Gemm,
        ["MatMul"] = MatrixRules.MatMul,
        ["Einsum"] = MatrixRules.Einsum,
        ["LSTM"] = RecurrentRules.Recurrent,
        ["GRU"] = RecurrentRules.Recurrent,
        ["RNN"] = RecurrentRules.Recurrent,
        ["BatchNormalization"] = NormalizationRules.PerChannel,
        ["InstanceNormalization"] = NormalizationRules.PerChannel,
        ["LayerNormalization"] = NormalizationRules.Layer,
        ["Softmax"] = NormalizationRules.Softmax,
        ["LogSoftmax"] = NormalizationRules.Softmax,
        ["Hardmax"] = NormalizationRules.Softmax,
        ["LpNormalization"] = NormalizationRules.AlongAxis,
        ["GlobalAveragePool"] = WindowRules.PerChannel,
        ["GlobalMaxPool"] = WindowRules.PerChannel,
        ["GlobalLpPool"] = WindowRules.PerChannel,
        ["AveragePool"] = WindowRules.PerChannel,
        ["MaxPool"] = WindowRules.PerChannel,
        ["LpPool"] = WindowRules.PerChannel,
        ["Pad"] = WindowRules.Pad,
        ["Resize"] = WindowRules.Resize,
        ["Upsample"] = WindowRules.Resize,
        ["DepthToSpace"] = WindowRules.DepthToSpace,
        ["SpaceToDepth"] = WindowRules.SpaceToDepth,
        ["Concat"] = MovementRules.Concat,
        ["Split"] = MovementRules.Split,
        ["Slice"] = MovementRules.Slice,
        ["Gather"] = MovementRules.Gather,
        ["Transpose"] = MovementRules.Transpose,
        ["Squeeze"] = MovementRules.Squeeze,
        ["Unsqueeze"] = MovementRules.Unsqueeze,
        ["Tile"] = MovementRules.Tile,
        ["ConstantOfShape"] = ReshapeRules.ConstantOfShape,
        ["Expand"] = ReshapeRules.Expand,
        ["Reshape"] = ReshapeRules.Reshape,
        ["Flatten"] = ReshapeRules.Flatten,
        ["Shape"] = ReshapeRules.ShapeOf,
        ["Constant"] = static (_, _) => { },
    };

    private static readonly HashSet<string> Contributed = new(StringComparer.Ordinal) { "FusedConv", "FusedGemm", "FusedMatMul", "Gelu", "FastGelu", "BiasGelu", "QuickGelu" };

    static ChannelRules()
    {
        foreach (string op in ElementwiseRules.Operators) Standard.Add(op, ElementwiseRules.Broadcast);
        foreach (string op in ReductionRules.Operators) Standard.Add(op, ReductionRules.Reduce);
    }

    /// <summary>Applies the rule of a node.</summary>
    public static void Apply(Node node, ChannelTracer tracer)
    {
        if (node.Is("Constant")) return;
        if (node.Subgraphs.Any()) tracer.PinNode(node, $"{node.OpType} {node.DisplayName} passes it in or out of a subgraph");
        else if (node.IsParameterized || Find(node) is not { } rule) tracer.PinNode(node, $"{Qualified(node)} {node.DisplayName} has no rule for removed channels");
        else if (node.Inputs.Concat(node.Outputs).Any(v => v is not null && tracer.RankOf(v) < 0)) tracer.PinNode(node, $"the shapes around {node.OpType} {node.DisplayName} are not known");
        else rule(node, tracer);
    }

    private static ChannelRule? Find(Node node)
    {
        if (node.IsOnnxDomain) return Standard.GetValueOrDefault(node.OpType);
        if (node.Domain != "com.microsoft" || !Contributed.Contains(node.OpType)) return null;
        return node.OpType switch
        {
            "FusedConv" => ConvolutionRules.Conv,
            "FusedGemm" => MatrixRules.Gemm,
            "FusedMatMul" => MatrixRules.MatMul,
            _ => ElementwiseRules.Broadcast,
        };
    }

    private static string Qualified(Node node) => node.IsOnnxDomain ? node.OpType : $"{node.Domain}.{node.OpType}";
}
