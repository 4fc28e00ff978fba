using ModelCompression.Onnx.Graph;

namespace ModelCompression.Runtime.Synthetic;

/// <summary>Sizes that an input's unknown dimensions must have because of the weights they meet.</summary>
internal static class RequiredSizes
{
    /// <summary>The size axis <paramref name="axis"/> must have, or null when nothing says so.</summary>
    public static long? Of(Value input, int axis, int rank)
    {
        foreach (var (use, at) in ValueFlow.FollowAxis(input, axis, rank))
            if (SizeAt(use, at, rank) is { } size and > 0) return size;
        return null;
    }

    /// <summary>The rank an input without a declared shape must have, or null.</summary>
    public static int? RankOf(Value input)
    {
        foreach (var (use, _) in ValueFlow.FollowAxis(input, 0, 1))
        {
            var node = use.Node;
            if (!node.IsOnnxDomain || use.Index != 0) continue;
            if (node.OpType is "Conv" or "ConvTranspose" && ConstantShape.Of(node.Input(1)) is { } weight) return weight.Length;
            if (node.OpType is "LSTM" or "GRU" or "RNN") return 3;
            if (node.OpType is "MatMul" or "Gemm" && ConstantShape.Of(node.Input(1)) is { Length: 2 }) return 2;
            if (node.GetInts("perm") is { } perm) return perm.Count;
            if (node.GetInts("kernel_shape") is { } kernel) return kernel.Count + 2;
        }

        return null;
    }

    private static long? SizeAt(Use use, int axis, int rank)
    {
        var node = use.Node;
        if (!node.IsOnnxDomain) return null;
        bool isScaled = node.OpType is "QLinearConv" or "QLinearMatMul";
        var weight = use.Index == 0 ? ConstantShape.Of(node.Input(isScaled ? 3 : 1)) : null;
        bool isLast = axis == rank - 1;
        return node.OpType switch
        {
            "Conv" or "ConvInteger" or "QLinearConv" when axis == 1 && weight is { Length: > 1 } => weight[1] * node.GetInt("group", 1),
            "ConvTranspose" when axis == 1 && weight is { Length: > 1 } => weight[0],
            "MatMul" or "MatMulInteger" or "QLinearMatMul" when isLast && weight is { Length: > 1 } => weight[^2],
            "MatMul" when isLast && weight is { Length: 1 } => weight[0],
            "Gemm" when axis == 1 && weight is { Length: 2 } => weight[node.GetInt("transB", 0) == 0 ? 0 : 1],
            "LSTM" or "GRU" or "RNN" when axis == 2 && weight is { Length: 3 } => weight[2],
            "LSTM" or "GRU" or "RNN" when use.Index is 5 or 6 => StateSize(node, axis),
            "LayerNormalization" when isLast && weight is { Length: 1 } => weight[0],
            "BatchNormalization" or "InstanceNormalization" when axis == 1 && weight is { Length: 1 } => weight[0],
            "Add" or "Sub" or "Mul" or "Div" => SizeOfBroadcast(ConstantShape.Of(node.Input(1 - use.Index)), axis, rank),
            _ => null,
        };
    }

    private static long? StateSize(Node node, int axis) => axis switch
    {
        0 => node.GetString("direction", "forward") == "bidirectional" ? 2 : 1,
        1 => 1,
        2 => node.GetInt("hidden_size", 0) is > 0 and var size ? size : null,
        _ => null,
    };

    /// <summary>Size of the other operand at the same place, counted from the end; 1 says nothing.</summary>
    private static long? SizeOfBroadcast(long[]? other, int axis, int rank)
    {
        if (other is null) return null;
        int at = other.Length - (rank - axis);
        return at >= 0 && at < other.Length && other[at] > 1 ? other[at] : null;
    }
}
