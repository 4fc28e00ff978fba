using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Channels;

/// <summary>Reads integers that say how an operator moves positions.</summary>
internal static class ConstantIntegers
{
    /// <summary>A stored integer vector or scalar, or null.</summary>
    public static long[]? Of(Value? value)
    {
        if (value is null || !value.TryGetConstant(out var tensor) || tensor.ElementCount > int.MaxValue) return null;
        return tensor.DataType switch
        {
            DataType.Int64 => tensor.AsSpan<long>().ToArray(),
            DataType.Int32 => [.. tensor.AsSpan<int>().ToArray().Select(i => (long)i)],
            _ => null,
        };
    }

    /// <summary>Integers that older opsets keep in an attribute and newer ones in an input; null when absent or not stored.</summary>
    public static long[]? Of(Node node, string attribute, int input) =>
        node.GetInts(attribute) is { } ints ? [.. ints] : Of(node.Input(input));

    /// <summary>Counts a negative axis from the end.</summary>
    public static int Axis(long axis, int rank) => (int)(axis < 0 ? axis + rank : axis);
}
