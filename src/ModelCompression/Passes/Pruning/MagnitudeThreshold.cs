namespace ModelCompression.Passes.Pruning;

/// <summary>The limit below which weights go, chosen so that an exact number of them goes.</summary>
internal sealed class MagnitudeThreshold
{
    private const int HighBits = 16;
    private const int LowBits = 15;

    private MagnitudeThreshold(uint key, long ties)
    {
        Key = key;
        Ties = ties;
    }

    /// <summary>Elements with a smaller key go.</summary>
    public uint Key { get; }

    /// <summary>How many elements with exactly this key still go, the first ones in graph and element order.</summary>
    public long Ties { get; private set; }

    /// <summary>Takes up to <paramref name="wanted"/> ties off the rest.</summary>
    public long TakeTies(long wanted)
    {
        long taken = Math.Min(wanted, Ties);
        Ties -= taken;
        return taken;
    }

    /// <summary>The limit that all elements with a smaller absolute value than <paramref name="value"/> are below.</summary>
    public static MagnitudeThreshold Below(float value) => new(BitConverter.SingleToUInt32Bits(Math.Abs(value)), 0);

    /// <summary>Finds the limit below which exactly <paramref name="count"/> elements of all weights together lie.</summary>
    /// <remarks>
    /// Two counting passes over the 31 bits of the absolute values: the upper 16 bits find a bin, the lower 15 bits the value in it. No sorting; the counts are
    /// integers, so the result is the same for any number of threads.
    /// </remarks>
    public static MagnitudeThreshold Find(IReadOnlyList<WeightElements> weights, long count)
    {
        var high = Count(weights, 31, 0, LowBits, 1 << HighBits);
        long rest = count;
        int bin = Locate(high, ref rest);
        if (bin == high.Length) return new(1u << 31, 0);
        var low = Count(weights, LowBits, (uint)bin, 0, 1 << LowBits);
        int value = Locate(low, ref rest);
        return new(((uint)bin << LowBits) | (uint)value, rest);
    }

    /// <summary>The bin that holds element number <paramref name="rest"/> (from 0); <paramref name="rest"/> becomes its number in the bin.</summary>
    private static int Locate(long[] counts, ref long rest)
    {
        int bin = 0;
        for (; bin < counts.Length && rest >= counts[bin]; bin++) rest -= counts[bin];
        return bin;
    }

    private static long[] Count(IReadOnlyList<WeightElements> weights, int prefixShift, uint prefix, int shift, int length)
    {
        var chunks = weights.SelectMany(w => Enumerable.Range(0, w.ChunkCount).Select(chunk => (Weight: w, Chunk: chunk))).ToArray();
        var total = new long[length];
        object gate = new();
        Parallel.ForEach(chunks, () => new long[length], (item, _, counts) =>
        {
            item.Weight.CountKeys(item.Chunk, prefixShift, prefix, shift, counts);
            return counts;
        }, counts =>
        {
            lock (gate)
                for (int i = 0; i < total.Length; i++) total[i] += counts[i];
        });
        return total;
    }
}
