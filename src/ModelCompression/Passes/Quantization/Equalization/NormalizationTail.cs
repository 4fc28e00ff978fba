using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Quantization.Equalization;

/// <summary>The constants per channel with which a normalization ends: dividing them divides its output.</summary>
internal static class NormalizationTail
{
    /// <summary>Finds gamma and beta of the normalization that computes a value, in one node or spelled out as Mul and Add; empty when it is none.</summary>
    public static IReadOnlyList<Use> Of(Value output, int channels, GraphScope scope)
    {
        if (output.Producer is not { IsParameterized: false } node || output.OutputIndex != 0 || node.Graph != scope.Graph) return [];
        IReadOnlyList<Use> constants = (node.IsOnnxDomain ? "" : node.Domain, node.OpType) switch
        {
            ("", "LayerNormalization") when node.GetInt("axis", -1) == -1 => Inputs(node, 1, 2),
            ("", "SimplifiedLayerNormalization" or "RMSNormalization") when node.GetInt("axis", -1) == -1 => Inputs(node, 1),
            ("com.microsoft", "SkipLayerNormalization") => Inputs(node, 2, 3),
            ("com.microsoft", "SkipSimplifiedLayerNormalization") => Inputs(node, 2),
            ("", "Add" or "Mul") => Spelled(node, scope),
            _ => [],
        };
        return constants.All(c => scope.TryGetFixed(c.Node.Input(c.Index), out var tensor) && tensor.DataType == DataType.Float && PerChannelConstant.Fits(tensor, channels, 0)) ? constants : [];
    }

    private static IReadOnlyList<Use> Inputs(Node node, params int[] indices) => [.. indices.Where(i => node.Input(i) is not null).Select(i => new Use(node, i))];

    /// <summary>y·gamma + beta, or y·gamma.</summary>
    private static IReadOnlyList<Use> Spelled(Node last, GraphScope scope)
    {
        if (ConstantInput(last, scope) is not { } constant) return [];
        if (last.OpType == "Mul") return [constant];
        var product = last.Input(1 - constant.Index);
        bool isOwn = product is { Uses.Count: 1, IsGraphOutput: false, IsReferencedByName: false } && product.Producer is { IsParameterized: false } producer && producer.Is("Mul") && producer.Graph == scope.Graph;
        return isOwn && ConstantInput(product!.Producer!, scope) is { } gamma ? [gamma, constant] : [];
    }

    private static Use? ConstantInput(Node node, GraphScope scope)
    {
        for (int i = 0; i < 2; i++)
            if (scope.TryGetFixed(node.Input(i), out _)) return new Use(node, i);
        return null;
    }
}
