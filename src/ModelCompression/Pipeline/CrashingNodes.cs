using ModelCompression.Analysis.Views;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Pipeline;

/// <summary>Knows the nodes on which ONNX Runtime 1.29 ends the process, each of them tried: neither a session's errors nor a handler of ours would see it.</summary>
internal static class CrashingNodes
{
    /// <summary>What is wrong with a node and what to do, or null for one that at worst makes an error.</summary>
    public static string? Problem(Node node) => node.Domain == "com.microsoft" ? NoBlocks(node) : !node.IsOnnxDomain ? null : node.OpType switch
    {
        "Conv" => NoChannels(node),
        "ConvTranspose" => NoGroups(node),
        "Div" or "Mod" => Overflow(node),
        "GRU" or "LSTM" => NoElements(node),
        _ => null,
    };

    /// <summary>Ungrouped pictures get a layout of blocks of channels, and there is no block to take shapes from.</summary>
    private static string? NoChannels(Node node) =>
        node.GetInt("group", 1) == 1 && Sizes(node, 1) is [0, _, _, _] ? $"{node} has a weight without output channels. Remove it, and what uses its empty output." : null;

    /// <summary>Shapes are inferred by dividing through it.</summary>
    private static string? NoGroups(Node node) =>
        node.GetInt("group", 1) == 0 ? $"{node} has group=0. Export it with a group of at least 1." : null;

    private static string? NoBlocks(Node node) =>
        node.OpType == "GatherBlockQuantized" && node.GetInt("block_size", 1) == 0 ? $"{node} has block_size=0. Export it with the block size of its scales." : null;

    /// <summary>The one quotient of integers that has no place in its type; processors raise an exception for it as for a division by zero.</summary>
    private static string? Overflow(Node node)
    {
        if (node.Input(0)?.TryGetConstant(out var dividend) != true || node.Input(1)?.TryGetConstant(out var divisor) != true || dividend!.DataType != divisor!.DataType) return null;
        bool overflows = dividend.DataType switch
        {
            DataType.Int32 => Meet(dividend.AsSpan<int>(), int.MinValue, divisor.AsSpan<int>(), -1),
            DataType.Int64 => Meet(dividend.AsSpan<long>(), long.MinValue, divisor.AsSpan<long>(), -1),
            _ => false,
        };
        return overflows ? $"{node} divides the smallest {dividend.DataType} by -1. Change the constant '{node.Input(0)}'." : null;
    }

    /// <summary>True if two elements stand at the same place; of broadcasting, only that of one element is looked through.</summary>
    private static bool Meet<T>(ReadOnlySpan<T> left, T first, ReadOnlySpan<T> right, T second)
        where T : struct, IEquatable<T>
    {
        if (left.Length == 1 || right.Length == 1) return left.Contains(first) && right.Contains(second);
        for (int i = 0; i < left.Length && left.Length == right.Length; i++)
            if (right[i].Equals(second) && left[i].Equals(first)) return true;
        return false;
    }

    /// <summary>Their threads meet an empty span and throw where nobody catches.</summary>
    private static string? NoElements(Node node)
    {
        // The axes of sequences and samples stand the other way round with layout=1; an LSTM stands an empty sequence and an input without elements.
        int samples = node.GetInt("layout", 0) == 0 ? 1 : 0;
        if (Sizes(node, 0) is not { Length: 3 } input || (node.Is("GRU") ? !input.Contains(0) : input[samples] != 0)) return null;
        return $"{node} has an input of {string.Join(" x ", input)}, without an element. Export the model with sizes of at least 1, or with a symbol in the place of the 0.";
    }

    private static long[]? Sizes(Node node, int input) => node.Input(input) is { } value ? StaticShape.Of(value) : null;
}
