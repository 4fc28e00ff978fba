namespace ModelCompression.Gradients;

/// <summary>Cuts feeds into mini-batches.</summary>
public static class MiniBatches
{
    /// <summary>Feeds of a mini-batch for gradient statistics, when there are enough.</summary>
    public const int UsualLength = 32;

    /// <summary>The mini-batches of gradient statistics: <paramref name="count"/> of equal size, or all there are.</summary>
    /// <param name="feeds">Number of feeds.</param>
    /// <param name="count">Wanted number of mini-batches, or null for all.</param>
    /// <param name="seed">Decides the order; data sorted by class would make every mini-batch one class.</param>
    /// <param name="shuffles">False to keep the order of the data.</param>
    /// <returns>Lists of feed numbers; null when there are not enough feeds for two, or for <paramref name="count"/>.</returns>
    public static IReadOnlyList<int[]>? ForStatistics(int feeds, int? count, int seed, bool shuffles)
    {
        int batches = count ?? Math.Max(2, feeds / UsualLength);
        int length = Math.Min(UsualLength, feeds / Math.Max(1, batches));
        if (batches < 2 || length < 1) return null;
        int[] order = Order(feeds, seed, shuffles);
        return [.. Enumerable.Range(0, batches).Select(i => order[(i * length)..((i + 1) * length)])];
    }

    /// <summary>The mini-batches of an epoch; the last one may be shorter.</summary>
    public static IEnumerable<int[]> Epoch(IReadOnlyList<int> feeds, int length, int seed, bool shuffles) =>
        Order(feeds.Count, seed, shuffles).Select(i => feeds[i]).Chunk(length);

    /// <summary>0 to count − 1 in an order that depends on the seed only.</summary>
    public static int[] Order(int count, int seed, bool shuffles)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        // System.Random with a seed keeps its algorithm across versions of .NET.
        if (shuffles) new Random(seed).Shuffle(order);
        return order;
    }
}
