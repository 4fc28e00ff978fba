namespace ModelCompression.Analysis.Channels;

/// <summary>
/// Disjoint sets of axis positions that can only be removed together (union-find with path halving), some of them pinned: they must stay.
/// </summary>
internal sealed class ChannelLabels
{
    private readonly List<int> parent = [];
    private readonly Dictionary<int, string> pins = [];

    /// <summary>Number of positions made so far.</summary>
    public int Count => parent.Count;

    /// <summary>Makes <paramref name="count"/> new positions, each a set of its own, and returns the first.</summary>
    public int Add(int count)
    {
        int first = parent.Count;
        for (int i = 0; i < count; i++) parent.Add(first + i);
        return first;
    }

    /// <summary>The representative of a position's set: its first position.</summary>
    public int Find(int position)
    {
        while (parent[position] != position)
        {
            parent[position] = parent[parent[position]];
            position = parent[position];
        }

        return position;
    }

    /// <summary>Joins two sets; a pin of either holds for both, that of the earlier set first.</summary>
    /// <returns>True if they were different sets.</returns>
    public bool Union(int a, int b)
    {
        a = Find(a);
        b = Find(b);
        if (a == b) return false;
        // The smaller number leads, so that results do not depend on the order of calls.
        if (b < a) (a, b) = (b, a);
        parent[b] = a;
        if (pins.Remove(b, out string? reason)) pins.TryAdd(a, reason);
        return true;
    }

    /// <summary>Keeps a position's set from removal.</summary>
    /// <returns>True if it was not pinned before.</returns>
    public bool Pin(int position, string reason) => pins.TryAdd(Find(position), reason);

    /// <summary>Why the set of a position must stay, or null when it may go.</summary>
    public string? WhyPinned(int position) => pins.GetValueOrDefault(Find(position));
}
