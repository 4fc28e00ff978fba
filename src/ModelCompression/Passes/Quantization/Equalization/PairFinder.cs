using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Quantization.Equalization;

/// <summary>Follows a layer's output to the layer that takes it, through operators f with f(s·x) = s·f(x) for s &gt; 0.</summary>
internal sealed class PairFinder(GraphScope scope, IReadOnlyDictionary<Node, ScalableLayer> layers, bool mayRescaleClips)
{
    private readonly List<Use> constants = [];
    private readonly List<Node> clips = [];
    private ScalableLayer first = null!;
    private bool isLastAxis;
    private int spread;

    /// <summary>Finds the pair that starts with a layer, or why there is none.</summary>
    public LayerPair? TryFind(ScalableLayer start, out string reason)
    {
        (first, isLastAxis, spread, reason) = (start, !start.IsConvolution, 1, "");
        constants.Clear();
        clips.Clear();
        if (start.Node.OpType != "MatMul" && start.Node.Input(2) is not null && !TryAddConstant(new(start.Node, 2), out reason)) return null;
        var at = start.Node.Output()!;
        while (true)
        {
            if (at.IsGraphOutput || at.IsReferencedByName) reason = "its output leaves the graph";
            else if (at.Uses.Count != 1) reason = FormattableString.Invariant($"{at.Uses.Count} nodes use its output");
            else if (at.Uses[0].Node.Graph != scope.Graph) reason = "its output is used in a subgraph";
            if (reason.Length > 0) return null;
            var use = at.Uses[0];
            if (layers.TryGetValue(use.Node, out var second)) return TryClose(use, second, out reason);
            if ((reason = WhyStop(use) ?? "").Length > 0) return null;
            at = use.Node.Output()!;
        }
    }

    private LayerPair? TryClose(Use use, ScalableLayer second, out string reason)
    {
        if (spread == 0) spread = second.InputChannels / first.OutputChannels;
        bool fits = use.Index == 0 && second.IsConvolution != isLastAxis && second.InputChannels == first.OutputChannels * spread && second.Node.GetInt("transA", 0) == 0;
        reason = fits ? "" : $"{second.Node.DisplayName} takes its channels along another axis";
        return fits ? new(first, second, spread, [.. constants], [.. clips]) : null;
    }

    private string? WhyStop(Use use)
    {
        var node = use.Node;
        bool passes = node is { IsOnnxDomain: true, IsParameterized: false } && use.Index == 0 && node.Outputs.Skip(1).All(o => o is null || o.IsUnused);
        switch (passes ? node.OpType : node.Is("Add") && !node.IsParameterized ? "Add" : "")
        {
            case "Relu" or "LeakyRelu" or "Identity" or "Dropout":
                return null;
            case "MaxPool" or "AveragePool" or "GlobalAveragePool" or "GlobalMaxPool" when !isLastAxis:
                return null;
            case "PRelu" when !isLastAxis:
                return null;
            case "Clip":
                return WhyNotClip(node);
            case "Add":
                return TryAddConstant(new(node, 1 - use.Index), out string reason) ? null : reason;
            case "Flatten" when !isLastAxis && node.GetInt("axis", 1) == 1:
                return Flatten();
            case "Reshape" when !isLastAxis && IsFlattening(node):
                return Flatten();
            default:
                return $"factors do not pass through {node.DisplayName}";
        }
    }

    private string? WhyNotClip(Node node)
    {
        if (!ClipRescaling.TryGetBounds(node, scope, out float low, out float high)) return $"the bounds of {node.DisplayName} are not constant";
        if (low is 0 or float.NegativeInfinity && high == float.PositiveInfinity) return null;
        if (!mayRescaleClips) return $"{node.DisplayName} would need bounds per channel, which Quantization=Static does not have";
        if (scope.Opset < ClipRescaling.MinOpset) return FormattableString.Invariant($"{node.DisplayName} would need Min of opset {ClipRescaling.MinOpset}, the model has {scope.Opset}");
        clips.Add(node);
        return null;
    }

    /// <summary>After this a channel is a run of consecutive inputs, whose length follows from the layer that the walk is about to meet.</summary>
    private string? Flatten()
    {
        (isLastAxis, spread) = (true, 0);
        return null;
    }

    private bool IsFlattening(Node node)
    {
        if (!scope.TryGetFixed(node.Input(1), out var shape) || shape.DataType != DataType.Int64 || shape.ElementCount != 2) return false;
        var dims = shape.AsSpan<long>();
        if (dims[0] == 0) return dims[1] != 0 && node.GetInt("allowzero", 0) == 0;
        // [-1, K] keeps samples apart when K is exactly one sample, and the sizes of the input tell.
        long? sample = 1;
        foreach (var dim in node.Input(0)!.TensorType?.Shape?.Dimensions.Skip(1) ?? []) sample *= dim.Size;
        return dims[0] == -1 && node.Input(0)!.TensorType?.Shape?.Rank > 1 && sample == dims[1];
    }

    /// <summary>A constant with one element per channel, laid out along the channel axis.</summary>
    private bool TryAddConstant(Use use, out string reason)
    {
        reason = "";
        var value = use.Node.Input(use.Index);
        bool isBias = use.Node.OpType != "Add" && first.IsConvolution;
        if (!scope.TryGetFixed(value, out var tensor) || tensor.DataType != DataType.Float) reason = $"the summand of {use.Node.DisplayName} is not constant";
        else if (spread != 1) reason = $"{use.Node.DisplayName} adds to flattened channels";
        else if (!PerChannelConstant.Fits(tensor, first.OutputChannels, isLastAxis || isBias ? 0 : first.Tensor.Rank - 2)) reason = $"the summand {tensor} of {use.Node.DisplayName} is not one number per channel";
        else constants.Add(use);
        return reason.Length == 0;
    }
}
