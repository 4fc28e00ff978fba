using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.Refitting;

/// <summary>A linear operator with weights of its own that can be fitted: Conv, Gemm, MatMul, with or without a bias.</summary>
/// <param name="Node">The operator.</param>
/// <param name="X">What it multiplies.</param>
/// <param name="Weight">Its weights.</param>
/// <param name="Bias">Its bias, or null.</param>
/// <param name="Y">Its result, bias included.</param>
/// <param name="ChannelAxis">Axis of Y that counts output channels.</param>
/// <param name="XRows">How X is seen as rows.</param>
/// <param name="RowsPerOutput">True if the weight holds a row per output channel (Conv, transposed B), false if a column.</param>
internal sealed record LinearSite(Node Node, Value X, Value Weight, Value? Bias, Value Y, int ChannelAxis, TensorRows XRows, bool RowsPerOutput)
{
    /// <summary>Sees a node of the main graph as a linear operator; null when it has no weights of its own in binary32.</summary>
    public static LinearSite? TryCreate(Node node)
    {
        var site = ConvView.TryFrom(node, out var conv) ? OfConv(conv)
            : GemmView.TryFrom(node, out var gemm) ? OfGemm(gemm)
            : MatMulView.TryFrom(node, out var product) ? OfMatMul(product) : null;
        return site is not null && IsOwn(site.Weight) && (site.Bias is null || IsOwn(site.Bias)) ? site : null;
    }

    private static LinearSite? OfConv(ConvView conv) =>
        conv.Activation.Length > 0 || conv.Summand is not null || conv.Window.SpatialRank > 3 ? null
            : WithBias(new(conv.Node, conv.Input, conv.Weight, conv.Bias, conv.Node.Outputs[0]!, 1, TensorRows.Under(conv), true));

    private static LinearSite? OfGemm(GemmView gemm) =>
        gemm.TransA || gemm.Alpha != 1 || (gemm.C is not null && gemm.Beta != 1) || gemm.Activation.Length > 0 ? null
            : WithBias(new(gemm.Node, gemm.A, gemm.B, gemm.C, gemm.Node.Outputs[0]!, -1, TensorRows.Along(-1), gemm.TransB));

    private static LinearSite? OfMatMul(MatMulView product) =>
        product.Alpha != 1 || product.TransA || product.TransB || !product.B.TryGetConstant(out var b) || b.Rank != 2 ? null
            : WithBias(new(product.Node, product.A, product.B, null, product.Node.Outputs[0]!, -1, TensorRows.Along(-1), false));

    /// <summary>Takes a vector that is added next as the bias.</summary>
    private static LinearSite WithBias(LinearSite site)
    {
        if (site.Bias is not null || site.Y.Uses is not [{ Node: { } add, Index: var index }] || site.Y.IsGraphOutput || !add.Is("Add") || add.Input(1 - index) is not { } bias) return site;
        if (!bias.TryGetConstant(out var vector) || !IsOwn(bias) || !site.Weight.TryGetConstant(out var weight)) return site;
        long channels = weight.Dims[site.RowsPerOutput ? 0 : weight.Rank - 1];
        int rank = site.Y.TensorType?.Shape?.Rank ?? -1;
        int axis = vector.Rank - (site.ChannelAxis < 0 ? 1 : rank - 1);
        return rank > 0 && vector.Rank <= rank && axis >= 0 && vector.Dims[axis] == channels && vector.ElementCount == channels ? site with { Bias = bias, Y = add.Outputs[0]! } : site;
    }

    private static bool IsOwn(Value constant) =>
        constant.TryGetConstant(out var tensor) && tensor.DataType == DataType.Float && constant.Uses.Count == 1 && !constant.IsGraphOutput && !constant.IsReferencedByName && !constant.IsGraphInput;
}
