namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Moves the kept counts of convolutions to whole blocks of 16 channels, some up and others down, where these were chosen together.</summary>
/// <remarks>
/// Convolution kernels compute 16 channels at a time on wide processors (ONNX Runtime's blocked layout with AVX-512), so 24 channels cost what 32 do. Counts go up, which costs no accuracy
/// and nearly no time; the counts whose channels matter least then go down to the block below, as many as the wanted sparsity allows. It depends on the scores only, never on the machine.
/// </remarks>
internal static class BlockRounding
{
    /// <summary>Channels of a block.</summary>
    private const int Block = 16;

    /// <summary>Groups with fewer channels have no block to spare.</summary>
    private const int MinChannels = 2 * Block;

    /// <summary>Rounds.</summary>
    /// <param name="candidates">The groups that are ranked together.</param>
    /// <param name="kept">How many units of each stay; changed.</param>
    /// <param name="least">How many units of each must stay.</param>
    /// <param name="limit">Most channels to remove from all groups.</param>
    public static void Apply(IReadOnlyList<ChannelCandidate> candidates, int[] kept, int[] least, double limit)
    {
        int[] uneven = [.. Enumerable.Range(0, kept.Length).Where(g => IsUneven(candidates[g], kept[g]))];
        var costs = uneven.ToDictionary(g => g, g => Cost(candidates[g], kept[g]));
        foreach (int g in uneven) kept[g] = Math.Min(candidates[g].UnitCount, (kept[g] + Block - 1) / Block * Block);
        double removed = candidates.Select((c, g) => (double)c.UnitCount - kept[g]).Zip(candidates, (u, c) => u * c.ChannelsPerUnit).Sum();
        foreach (int g in uneven.OrderBy(g => costs[g]).ThenBy(g => g))
        {
            int lower = (kept[g] - 1) / Block * Block;
            if (lower < Math.Max(Block, least[g]) || removed + kept[g] - lower > limit + 1e-9) continue;
            removed += kept[g] - lower;
            kept[g] = lower;
        }
    }

    private static bool IsUneven(ChannelCandidate candidate, int kept) =>
        candidate.UnitCount >= MinChannels && candidate.ChannelsPerUnit == 1 && Block % candidate.Step == 0 && kept % Block != 0 && kept < candidate.UnitCount
        && candidate.Group.ProducerNodes.Any(n => n.Is("Conv"));

    /// <summary>Mean score of the channels that a lower block would remove beside those that go anyway.</summary>
    private static double Cost(ChannelCandidate candidate, int kept)
    {
        int gone = candidate.UnitCount - kept;
        return candidate.Order.Skip(gone).Take(kept % Block).Average(candidate.Normalized);
    }
}
