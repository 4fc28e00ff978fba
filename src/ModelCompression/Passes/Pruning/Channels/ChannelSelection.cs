using ModelCompression.Analysis.Channels;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Decides how many and which units of each group go.</summary>
/// <remarks>
/// <para><c>Layer</c>: of n units, ⌊sparsity·n⌋ with the lowest scores. <c>Global</c>: scores are divided by their group's mean and all units ranked together; as many go as bring
/// the removed share of all channels as close to the sparsity as rounding allows without exceeding it.</para>
/// <para>The kept channels of a group are rounded up to a multiple of <c>ChannelMultiple</c>, and never fewer than one multiple stays, so no layer is emptied. In a
/// global ranking convolutions with 32 channels or more then keep whole blocks of 16 (<see cref="BlockRounding"/>).</para>
/// </remarks>
internal static class ChannelSelection
{
    /// <summary>The smallest share of its channels that a group keeps in a global ranking: a layer much weaker than the others is narrowed, not cut off.</summary>
    private const double MinGlobalShare = 0.1;

    /// <summary>Decides for groups that are ranked by themselves.</summary>
    public static bool[] SelectLayer(ChannelCandidate candidate, double sparsity) =>
        Lowest(candidate, candidate.RoundKept(candidate.UnitCount - (int)Math.Floor((sparsity * candidate.UnitCount) + 1e-9)));

    /// <summary>Removes what a threshold has marked, keeping the best of the marked units where a layer would become too narrow.</summary>
    public static bool[] SelectMarked(ChannelCandidate candidate)
    {
        bool[] removable = candidate.Scores.Removable!;
        int kept = candidate.RoundKept(candidate.UnitCount - removable.Count(r => r));
        return Mark(candidate, candidate.Order.Where(u => removable[u]).Concat(candidate.Order.Where(u => !removable[u])), kept);
    }

    /// <summary>Decides for groups that are ranked together.</summary>
    public static IReadOnlyList<bool[]> SelectGlobal(IReadOnlyList<ChannelCandidate> candidates, double sparsity)
    {
        int[] groups = [.. candidates.SelectMany((c, g) => Enumerable.Repeat(g, c.UnitCount))];
        double[] scores = [.. candidates.SelectMany(c => Enumerable.Range(0, c.UnitCount).Select(c.Normalized))];
        int[] ranked = Array.ConvertAll(ScoreOrder.Ascending(scores), i => groups[i]);
        double limit = sparsity * candidates.Sum(c => (double)c.UnitCount * c.ChannelsPerUnit);
        // Removing more of the ranking never keeps more, so the largest allowed prefix is found by bisection.
        int low = 0, high = ranked.Length;
        while (low < high)
        {
            int middle = low + ((high - low + 1) / 2);
            if (Removed(candidates, KeptCounts(candidates, ranked, middle)) <= limit + 1e-9) low = middle;
            else high = middle - 1;
        }

        var kept = KeptCounts(candidates, ranked, low);
        BlockRounding.Apply(candidates, kept, [.. candidates.Select(c => c.RoundKept(Least(c)))], limit);
        return [.. candidates.Select((c, g) => Lowest(c, kept[g]))];
    }

    private static double Removed(IReadOnlyList<ChannelCandidate> candidates, int[] kept) =>
        candidates.Select((c, g) => (double)(c.UnitCount - kept[g]) * c.ChannelsPerUnit).Sum();

    /// <summary>What stays of each group when the first of the ranking go; <paramref name="ranked"/> holds the groups of the units.</summary>
    private static int[] KeptCounts(IReadOnlyList<ChannelCandidate> candidates, int[] ranked, int prefix)
    {
        var kept = candidates.Select(c => c.UnitCount).ToArray();
        for (int i = 0; i < prefix; i++) kept[ranked[i]]--;
        for (int g = 0; g < kept.Length; g++) kept[g] = candidates[g].RoundKept(Math.Max(kept[g], Least(candidates[g])));
        return kept;
    }

    private static int Least(ChannelCandidate candidate) => (int)Math.Ceiling(MinGlobalShare * candidate.UnitCount);

    private static bool[] Lowest(ChannelCandidate candidate, int kept) => Mark(candidate, candidate.Order, kept);

    /// <summary>Marks units in order until <paramref name="kept"/> are left.</summary>
    private static bool[] Mark(ChannelCandidate candidate, IEnumerable<int> order, int kept)
    {
        bool[] removed = new bool[candidate.UnitCount];
        foreach (int unit in order.Take(removed.Length - kept)) removed[unit] = true;
        return removed;
    }
}

/// <summary>A group with its scores.</summary>
/// <param name="Group">The group.</param>
/// <param name="Multiple"><c>ChannelMultiple</c>.</param>
/// <param name="Scores">Scores of its units.</param>
internal sealed record ChannelCandidate(ChannelGroup Group, int Multiple, ChannelScores Scores)
{
    private readonly double mean = Scores.Values.Average();

    /// <summary>Units by score, equal ones by number.</summary>
    public IReadOnlyList<int> Order { get; } = ScoreOrder.Ascending(Scores.Values);

    /// <summary>Number of units.</summary>
    public int UnitCount => Group.UnitCount;

    /// <summary>Output channels of the first weight per unit: 1, or the features of a head, the channels of a convolution's group.</summary>
    public int ChannelsPerUnit { get; } = Group.Producers.First().PositionsPerUnit;

    /// <summary>Units by which kept counts go.</summary>
    public int Step => Multiple / (int)System.Numerics.BigInteger.GreatestCommonDivisor(Multiple, ChannelsPerUnit);

    /// <summary>A kept count rounded up to whole steps, at least one step and at most all.</summary>
    public int RoundKept(int kept) => Math.Min(UnitCount, (Math.Max(kept, 1) + Step - 1) / Step * Step);

    /// <summary>A score on the scale of its group's mean.</summary>
    public double Normalized(int unit) => mean > 0 && double.IsFinite(mean) ? Scores.Values[unit] / mean : Scores.Values[unit];
}
