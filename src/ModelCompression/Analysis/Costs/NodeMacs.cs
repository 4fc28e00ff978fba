using ModelCompression.Analysis.Shapes;
using ModelCompression.Onnx.Graph;

namespace ModelCompression.Analysis.Costs;

/// <summary>Multiply-accumulate operations per operator.</summary>
internal static class NodeMacs
{
    /// <summary>Operations of one node; 0 for operators that have none, and where a rank is not known.</summary>
    public static long Of(Node node, MacCounter sizes)
    {
        if (!node.IsOnnxDomain && node.Domain != "com.microsoft") return 0;
        return node.OpType switch
        {
            "Conv" or "FusedConv" or "NhwcFusedConv" or "ConvInteger" or "DeformConv" => Convolution(node, sizes, 1),
            "QLinearConv" => Convolution(node, sizes, 3),
            "ConvTranspose" => TransposedConvolution(node, sizes),
            "MatMul" or "FusedMatMul" or "TransposeMatMul" or "MatMulInteger" or "MatMulInteger16" or "MatMulIntegerToFloat" or "DynamicQuantizeMatMul"
                => Product(node, sizes, "transA"),
            "QLinearMatMul" => Product(node, sizes, ""),
            "Gemm" or "FusedGemm" or "QGemm" => Product(node, sizes, "transA"),
            "MatMulNBits" or "MatMulBnb4" or "MatMulFpQ4" => Product(node, sizes, ""),
            "Einsum" => Einsum(node, sizes),
            "LSTM" or "DynamicQuantizeLSTM" => Recurrent(node, sizes, 4),
            "GRU" => Recurrent(node, sizes, 3),
            "RNN" => Recurrent(node, sizes, 1),
            "Attention" when node.IsOnnxDomain => ScaledDotProduct(node, sizes),
            "Attention" or "QAttention" => ProjectedAttention(node, sizes),
            "MultiHeadAttention" or "GroupQueryAttention" => HeadAttention(node, sizes),
            _ => 0,
        };
    }

    private static long Times(params ReadOnlySpan<long> factors)
    {
        long product = 1;
        foreach (long factor in factors) product = MacCounter.Multiply(product, factor);
        return product;
    }

    /// <summary>Every output element sums over the filter: C/group × kernel.</summary>
    private static long Convolution(Node node, MacCounter sizes, int weightInput)
    {
        if (sizes.SizesOf(node.Output()) is not { } y || sizes.SizesOf(node.Input(weightInput)) is not { Length: > 2 } w) return 0;
        return Times(Times(y), Times(w.AsSpan(1)));
    }

    /// <summary>Every input element is multiplied with its filter: M/group × kernel.</summary>
    private static long TransposedConvolution(Node node, MacCounter sizes)
    {
        if (sizes.SizesOf(node.Input(0)) is not { } x || sizes.SizesOf(node.Input(1)) is not { Length: > 2 } w) return 0;
        return Times(Times(x), Times(w.AsSpan(1)));
    }

    /// <summary>Every output element sums over the last axis of A.</summary>
    private static long Product(Node node, MacCounter sizes, string transpose)
    {
        if (sizes.SizesOf(node.Output()) is not { } y || sizes.SizesOf(node.Input(0)) is not { Length: > 0 } a) return 0;
        bool isTransposed = a.Length >= 2 && transpose.Length > 0 && node.GetInt(transpose, 0) != 0;
        return Times(Times(y), a[isTransposed ? ^2 : ^1]);
    }

    /// <summary>One multiplication per combination of all labels and operand beyond the first.</summary>
    private static long Einsum(Node node, MacCounter sizes)
    {
        var shapes = node.Inputs.Select(sizes.SizesOf).ToList();
        if (shapes.Count < 2 || shapes.Any(s => s is null)) return 0;
        if (EinsumEquation.Parse(node.GetString("equation", ""), [.. shapes.Select(s => s!.Length)]) is not { } equation) return 0;
        var labels = new Dictionary<string, long>(StringComparer.Ordinal);
        for (int i = 0; i < shapes.Count; i++)
            for (int axis = 0; axis < shapes[i]!.Length; axis++)
                labels[equation.Operands[i][axis]] = Math.Max(labels.GetValueOrDefault(equation.Operands[i][axis], 1), shapes[i]![axis]);
        return Times(Times([.. labels.Values]), shapes.Count - 1);
    }

    /// <summary>Per step, sample and direction: gates × hidden × (input + hidden).</summary>
    private static long Recurrent(Node node, MacCounter sizes, int gates)
    {
        if (sizes.SizesOf(node.Input(0)) is not { Length: 3 } x || sizes.SizesOf(node.Output() ?? node.Output(1)) is not { Length: >= 3 } y) return 0;
        long hidden = node.GetInt("hidden_size", y[^1]);
        long directions = node.GetString("direction", "forward") == "bidirectional" ? 2 : 1;
        return Times(x[0], x[1], directions, gates, hidden, x[2] + hidden);
    }

    /// <summary>Projection of X [B, S, I] by weights [I, P], then scores and weighted sum over T positions.</summary>
    private static long ProjectedAttention(Node node, MacCounter sizes)
    {
        if (sizes.SizesOf(node.Input(0)) is not { Length: 3 } x || sizes.SizesOf(node.Input(1)) is not { Length: 2 } w || sizes.SizesOf(node.Output()) is not { Length: 3 } y) return 0;
        var past = sizes.SizesOf(node.Input(node.OpType == "QAttention" ? 8 : 4));
        long positions = x[1] + (past is { Length: 5 } ? past[3] : 0);
        return MacCounter.Add(Times(x[0], x[1], x[2], w[1]), Times(2, x[0], x[1], positions, y[2]));
    }

    private static long HeadAttention(Node node, MacCounter sizes)
    {
        if (sizes.SizesOf(node.Input(0)) is not { Length: >= 3 } q || sizes.SizesOf(node.Output()) is not { Length: 3 } y) return 0;
        int past = node.OpType == "GroupQueryAttention" ? 3 : 6;
        long added = sizes.SizesOf(node.Input(1)) switch
        {
            { Length: 3 } k => k[1],
            { Length: 4 } k => k[2],
            _ => q[1],
        };
        long positions = added + (sizes.SizesOf(node.Input(past)) is { Length: 4 } p ? p[2] : 0);
        return Times(2, y[0], y[1], positions, y[2]);
    }

    private static long ScaledDotProduct(Node node, MacCounter sizes)
    {
        if (sizes.SizesOf(node.Input(0)) is not { } q || sizes.SizesOf(node.Input(1)) is not { } k || sizes.SizesOf(node.Output()) is not { } y || q.Length < 3 || k.Length != q.Length) return 0;
        long positions = k[^2] + (sizes.SizesOf(node.Input(4)) is { Length: 4 } past ? past[2] : 0);
        return MacCounter.Add(Times(Times(q), positions), Times(Times(y), positions));
    }
}
