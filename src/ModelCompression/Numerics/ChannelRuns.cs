namespace ModelCompression.Numerics;

/// <summary>Consecutive elements that share a scale.</summary>
/// <param name="Start">First element.</param>
/// <param name="Scale">Number of the scale.</param>
internal readonly record struct ChannelRun(int Start, int Scale);

/// <summary>Enumerates the runs of a layout. A struct, because a run may be a single element.</summary>
/// <param name="layout">How the elements lie.</param>
internal struct ChannelRuns(ChannelLayout layout)
{
    private readonly int end = layout.ElementCount;
    private int start = -layout.Inner;
    private int channel = -1;
    private int outer;
    private int firstScale;

    /// <summary>The run that <see cref="MoveNext"/> came to.</summary>
    public readonly ChannelRun Current => new(start, firstScale + channel);

    /// <summary>Itself.</summary>
    public readonly ChannelRuns GetEnumerator() => this;

    /// <summary>Goes to the next run; false when there is none.</summary>
    public bool MoveNext()
    {
        start += layout.Inner;
        if (start >= end) return false;
        if (++channel < layout.Channels) return true;
        channel = 0;
        if (++outer < layout.Outer) return true;
        outer = 0;
        firstScale += layout.Channels;
        return true;
    }
}
