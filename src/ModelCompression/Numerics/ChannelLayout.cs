namespace ModelCompression.Numerics;

/// <summary>
/// How the elements that share a scale lie in a row-major tensor: element (g, o, c, i) is at ((g·<see cref="Outer"/> + o)·<see cref="Channels"/> + c)·<see cref="Inner"/> + i
/// and has scale number g·<see cref="Channels"/> + c.
/// </summary>
/// <param name="Outer">Product of the dimensions before the channel axes.</param>
/// <param name="Channels">Product of the channel axes; 1 when the whole tensor shares one scale.</param>
/// <param name="Inner">Product of the dimensions after the channel axes.</param>
/// <param name="Groups">Parts one after the other, each with its own scales: blocks along the outermost axis.</param>
internal readonly record struct ChannelLayout(int Outer, int Channels, int Inner, int Groups = 1)
{
    /// <summary>Number of elements.</summary>
    public int ElementCount => Groups * GroupLength;

    /// <summary>Elements of one group.</summary>
    public int GroupLength => Outer * Channels * Inner;

    /// <summary>Number of scales.</summary>
    public int ScaleCount => Groups * Channels;

    /// <summary>One group on its own.</summary>
    public ChannelLayout OneGroup() => this with { Groups = 1 };

    /// <summary>One scale for the whole tensor.</summary>
    /// <exception cref="OverflowException">More than <see cref="int.MaxValue"/> elements.</exception>
    public static ChannelLayout PerTensor(long elementCount) => new(1, 1, checked((int)elementCount));

    /// <summary>One scale per index tuple of <paramref name="axes"/>.</summary>
    /// <param name="dims">Shape.</param>
    /// <param name="axes">Consecutive, ascending, not negative; none = per tensor.</param>
    /// <exception cref="ArgumentException">The axes are not consecutive or lie outside the shape.</exception>
    /// <exception cref="OverflowException">More than <see cref="int.MaxValue"/> elements.</exception>
    public static ChannelLayout Of(ReadOnlySpan<long> dims, IReadOnlyList<int> axes)
    {
        if (axes.Count == 0) return PerTensor(Product(dims));
        int first = axes[0];
        for (int i = 0; i < axes.Count; i++)
            if (axes[i] != first + i || axes[i] < 0 || axes[i] >= dims.Length) throw new ArgumentException("The axes are not consecutive dimensions of the shape.", nameof(axes));
        int end = first + axes.Count;
        var layout = new ChannelLayout((int)Product(dims[..first]), (int)Product(dims[first..end]), (int)Product(dims[end..]));
        _ = checked(layout.Outer * layout.Channels * layout.Inner);
        return layout;
    }

    /// <summary>Runs of <see cref="Inner"/> elements with one scale, in element order.</summary>
    public ChannelRuns Runs() => new(this, 0, ElementCount);

    /// <summary>Parts that can be worked on at the same time: elements of whole runs, about an <see cref="ElementBlocks">element block</see> each. They depend on the layout only.</summary>
    public (int Start, int Length)[] RunBlocks()
    {
        int length = Math.Max(1, ElementBlocks.ElementCount / Math.Max(1, Inner)) * Math.Max(1, Inner);
        var blocks = new (int Start, int Length)[(int)(((long)ElementCount + length - 1) / length)];
        for (int b = 0; b < blocks.Length; b++) blocks[b] = (b * length, Math.Min(length, ElementCount - (b * length)));
        return blocks;
    }

    private static long Product(ReadOnlySpan<long> dims)
    {
        long product = 1;
        foreach (long dim in dims) product = checked(product * dim);
        return product <= int.MaxValue ? product : throw new OverflowException("The tensor has more elements than one array holds.");
    }
}
