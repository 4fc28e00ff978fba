namespace ModelCompression.Passes.Quantization;

/// <summary>Shapes with which per-channel constants broadcast against a weight.</summary>
internal static class ScaleShape
{
    /// <summary>The weight's dimensions along <paramref name="axes"/>, 1 after them, no leading 1; empty for one scale.</summary>
    public static long[] Broadcast(ReadOnlySpan<long> weight, IReadOnlyList<int> axes)
    {
        if (axes.Count == 0) return [];
        long[] shape = weight[axes[0]..].ToArray();
        for (int i = axes.Count; i < shape.Length; i++) shape[i] = 1;
        int first = 0;
        while (first < axes.Count - 1 && shape[first] == 1) first++;
        return shape[first..];
    }

    /// <summary>One scale per row of a table, as rows that Gather can pick; empty for one scale.</summary>
    public static long[] Rows(ReadOnlySpan<long> table, IReadOnlyList<int> axes) => axes.Count == 0 ? [] : [table[0], 1];
}
