namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Ranks scores.</summary>
internal static class ScoreOrder
{
    /// <summary>Positions by ascending score, equal ones by position; NaN come first.</summary>
    public static int[] Ascending(ReadOnlySpan<double> scores)
    {
        double[] keys = scores.ToArray();
        int[] order = new int[keys.Length];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        Array.Sort(keys, order);
        // Sorting numbers is many times as fast as comparing entries by several keys, but leaves equal ones in any order.
        for (int start = 0, end; start < keys.Length; start = end)
        {
            for (end = start + 1; end < keys.Length && keys[end].CompareTo(keys[start]) == 0;) end++;
            if (end - start > 1) Array.Sort(order, start, end - start);
        }

        return order;
    }
}
