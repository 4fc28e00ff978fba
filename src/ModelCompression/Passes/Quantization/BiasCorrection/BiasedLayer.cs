using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Quantization.Equalization;
using ModelCompression.Passes.Simplification;

namespace ModelCompression.Passes.Quantization.BiasCorrection;

/// <summary>A layer whose bias can take up a shift of its output's mean.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Bias">Where its bias is or will be an input: of the layer, or of the Add behind a MatMul.</param>
/// <param name="Depth">Number of such layers on the longest way from an input to this one, itself included.</param>
internal sealed record BiasedLayer(ScalableLayer Layer, Use Bias, int Depth)
{
    /// <summary>What the operator multiplies the bias by.</summary>
    private float Factor => Bias.Node.Is("Gemm") ? Bias.Node.GetFloat("beta", 1) : 1;

    /// <summary>The output whose mean counts, before a separate Add.</summary>
    public Value Output => Layer.Node.Output()!;

    /// <summary>Axis of the output's channels.</summary>
    public int Axis => Layer.IsConvolution ? 1 : -1;

    /// <summary>Shape with which a number per channel broadcasts against the output.</summary>
    public long[] ChannelShape => Layer.IsConvolution ? [Layer.OutputChannels, .. Enumerable.Repeat(1L, Layer.Tensor.Rank - 2)] : [Layer.OutputChannels];

    /// <summary>The same layer in a copy of the model.</summary>
    public BiasedLayer? On(ModelCopy copy, GraphScope scope) => ScalableLayer.TryFrom(copy.Nodes[Layer.Node], scope, out var layer, out _) ? TryFrom(layer, Depth, scope, out _) : null;

    /// <summary>Adds a shift to the bias.</summary>
    public void Shift(float[] shift, GraphScope scope)
    {
        if (Bias.Node.Input(Bias.Index) is not { } value)
        {
            var added = Tensor.Float([shift.Length], Array.ConvertAll(shift, s => (float)((double)s / Factor)));
            Bias.Node.SetInput(Bias.Index, ConstantStorage.Add(scope, Layer.Node.Output()!.Name + "_bias", added, Bias.Node));
            return;
        }

        scope.TryGetFixed(value, out var tensor);
        float[] elements = tensor!.AsSpan<float>().ToArray();
        for (int c = 0; c < elements.Length; c++) elements[c] = (float)(elements[c] + ((double)shift[c] / Factor));
        PerChannelConstant.Exchange(Bias, Tensor.Float(tensor.Dims, elements), scope);
    }

    /// <summary>Sees a layer as one with a bias, or says why not.</summary>
    public static BiasedLayer? TryFrom(ScalableLayer layer, int depth, GraphScope scope, out string reason)
    {
        reason = "";
        var bias = layer.Node.OpType == "MatMul" ? BehindMatMul(layer) : new Use(layer.Node, 2);
        if (bias is not { } use)
        {
            reason = "it has no bias";
            return null;
        }

        if (use.Node.Input(use.Index) is { } value)
        {
            bool fits = scope.TryGetFixed(value, out var tensor) && tensor.DataType == DataType.Float && PerChannelConstant.Fits(tensor, layer.OutputChannels, 0);
            reason = fits ? "" : "its bias is not a constant per channel";
        }
        else if (scope.Opset < 11 && use.Node.Is("Gemm"))
        {
            reason = "Gemm needs opset 11 to have no bias";
        }

        if (use.Node.Is("Gemm") && use.Node.GetFloat("beta", 1) == 0) reason = "it multiplies its bias by 0";
        return reason.Length == 0 ? new(layer, use, depth) : null;
    }

    private static Use? BehindMatMul(ScalableLayer layer)
    {
        var output = layer.Node.Output()!;
        if (output.IsGraphOutput || output.IsReferencedByName || output.Uses.Count != 1 || !output.Uses[0].Node.Is("Add") || output.Uses[0].Node.Graph != layer.Node.Graph) return null;
        return new Use(output.Uses[0].Node, 1 - output.Uses[0].Index);
    }
}
