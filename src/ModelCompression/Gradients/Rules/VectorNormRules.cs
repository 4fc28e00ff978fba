using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Gradients.Rules;

/// <summary>Normalizations by a norm of the values, and by those of neighbouring channels.</summary>
/// <remarks>
/// Norm, y = x/‖x‖: ∂x = (∂y − s·Σ ∂y·y)/‖x‖ with s = y for the
/// 2-norm and sign x for the 1-norm. Local response, y = x·S^−β, S = k + α/n·Σ x² over n neighbouring channels: ∂x = ∂y·S^−β − 2αβ/n·x·Σ ∂y·x·S^(−β−1) over the channels that have it in their window.
/// </remarks>
internal static class VectorNormRules
{
    public static void AddTo(Dictionary<string, Action<NodeGradient>> rules)
    {
        rules["LpNormalization"] = Norm;
        rules["LRN"] = LocalResponse;
    }

    private static void Norm(NodeGradient n)
    {
        var emit = n.Emit;
        int[] axes = [n.Axis("axis", -1, n.Dims(n.X()).Length)];
        bool isSum = n.Attributes.Int("p", 2) == 1;
        var norm = isSum ? emit.ReduceSum(emit.Op("Abs", [n.X()]), axes) : emit.Op("Sqrt", [emit.ReduceSum(emit.Square(n.X()), axes)]);
        var direction = isSum ? emit.Sign(n.X()) : n.Y();
        n.GiveIfNeeded(0, () => emit.Div(emit.Sub(n.DY, emit.Mul(direction, emit.ReduceSum(emit.Mul(n.DY, n.Y()), axes))), norm));
    }

    private static void LocalResponse(NodeGradient n)
    {
        var emit = n.Emit;
        long[] x = n.Dims(n.X());
        long size = n.Attributes.Int("size", 1);
        float alpha = n.Attributes.Float("alpha", 1e-4f), beta = n.Attributes.Float("beta", 0.75f);
        var window = emit.Constant(Window(x[1], size));
        var squares = SelectionRules.AlongAxis(emit, emit.Square(n.X()), x, 1, emit.Transpose(window, 1, 0));
        var s = emit.Add(emit.Mul(squares, alpha / size), emit.Scalar(n.Attributes.Float("bias", 1)));
        var direct = emit.Mul(n.DY, emit.Op("Pow", [s, emit.Scalar(-beta)]));
        var shared = SelectionRules.AlongAxis(emit, emit.Div(emit.Mul(direct, n.X()), s), x, 1, window);
        n.GiveIfNeeded(0, () => emit.Sub(direct, emit.Mul(emit.Mul(n.X(), 2 * alpha * beta / size), shared)));
    }

    /// <summary>[channel, neighbour]: ones from ⌊(n−1)/2⌋ channels before to ⌈(n−1)/2⌉ behind.</summary>
    private static Tensor Window(long channels, long size)
    {
        var ones = new float[channels * channels];
        for (long c = 0; c < channels; c++)
            for (long i = Math.Max(0, c - ((size - 1) / 2)); i <= Math.Min(channels - 1, c + (size / 2)); i++) ones[(c * channels) + i] = 1;
        return Tensor.Float([channels, channels], ones);
    }
}
