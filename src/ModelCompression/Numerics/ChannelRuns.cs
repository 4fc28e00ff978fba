namespace ModelCompression.Numerics;

/// <summary>Consecutive elements that share a scale.</summary>
/// <param name="Start">First element.</param>
/// <param name="Scale">Number of the scale.</param>
internal readonly record struct ChannelRun(int Start, int Scale);

/// <summary>Enumerates runs of a layout. A struct, because a run may be a single element.</summary>
internal struct ChannelRuns
{
    private readonly ChannelLayout layout;
    private readonly int end;
    private int start;
    private int channel;
    private int outer;
    private int firstScale;

    /// <summary>The runs of a number of elements from an element on, both multiples of the length of a run.</summary>
    public ChannelRuns(ChannelLayout layout, int first, int count)
    {
        this.layout = layout;
        start = first - layout.Inner;
        end = first + count;
        int run = layout.Inner == 0 ? 0 : first / layout.Inner;
        channel = (run % Math.Max(1, layout.Channels)) - 1;
        int row = run / Math.Max(1, layout.Channels);
        outer = row % Math.Max(1, layout.Outer);
        firstScale = row / Math.Max(1, layout.Outer) * layout.Channels;
    }

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
