using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Synthetic;

/// <summary>How large the elements of an integer input may be, from the tables they index.</summary>
internal static class IndexBounds
{
    private const int MaxOffsets = 3;

    /// <summary>Exclusive upper bound, or null when the input indexes nothing. A table of unknown size gives 1.</summary>
    public static long? Of(Value input) => Of(input, 0);

    private static long? Of(Value input, int offsets)
    {
        long? bound = null;
        foreach (var use in ValueFlow.FollowElements(input))
            if (BoundAt(use, offsets) is { } found) bound = Math.Min(bound ?? long.MaxValue, Math.Max(1, found));
        return bound;
    }

    private static long? BoundAt(Use use, int offsets)
    {
        var node = use.Node;
        switch (node.OpType)
        {
            case "Gather" or "GatherElements" or "ScatterElements" or "Scatter" when use.Index == 1:
                return Rows(node.Input(0), node.GetInt("axis", 0));
            case "GatherND" or "ScatterND" when use.Index == 1:
                return ConstantShape.Of(node.Input(0)) is { Length: > 0 } dims ? dims.Min() : 1;
            case "GatherBlockQuantized" when use.Index == 1:
                return Rows(node.Input(0), node.GetInt("gather_axis", 0));
            case "OneHot" when use.Index == 0:
                return node.Input(1) is { } depth && depth.TryGetConstant(out var value) ? ScalarOf(value) : 1;
            case "EmbedLayerNormalization" when use.Index is 0 or 1:
                return Rows(node.Input(use.Index == 0 ? 2 : 4), 0);
            case "EmbedLayerNormalization" when use.Index == 6:
                return Rows(node.Input(3), 0);
            case "Add" when offsets < MaxOffsets && use.Index < 2 && node.Input(1 - use.Index) is { } other && other.TryGetConstant(out var offset):
                // Positions with an offset (OPT adds 2): the table behind the addition is smaller by it.
                return node.Output() is { } sum && Of(sum, offsets + 1) is { } shifted ? shifted - ScalarOf(offset) : null;
            default:
                return null;
        }
    }

    private static long Rows(Value? table, long axis)
    {
        if (ConstantShape.Of(table) is not { Length: > 0 } dims) return 1;
        long at = axis < 0 ? axis + dims.Length : axis;
        return at >= 0 && at < dims.Length ? dims[at] : 1;
    }

    private static long ScalarOf(Tensor tensor) => tensor.ElementCount == 0 ? 0 : tensor.DataType switch
    {
        DataType.Int64 => tensor.AsSpan<long>()[0],
        DataType.Int32 => tensor.AsSpan<int>()[0],
        DataType.Float => (long)tensor.AsSpan<float>()[0],
        _ => 0,
    };
}
