namespace ModelCompression.Passes.Pruning;

/// <summary>A tensor seen as [outer, channels, inner].</summary>
/// <param name="Outer">Product of the sizes before the channel axes.</param>
/// <param name="Channels">Product of the sizes of the channel axes.</param>
/// <param name="Inner">Product of the sizes after them.</param>
internal readonly record struct ChannelLayout(int Outer, int Channels, int Inner)
{
    /// <summary>The view for adjacent axes in ascending order.</summary>
    public static ChannelLayout Of(ReadOnlySpan<long> dims, IReadOnlyList<int> axes)
    {
        long outer = 1, channels = 1, inner = 1;
        for (int axis = 0; axis < dims.Length; axis++)
        {
            if (axis < axes[0]) outer *= dims[axis];
            else if (axis <= axes[^1]) channels *= dims[axis];
            else inner *= dims[axis];
        }

        return new(checked((int)outer), checked((int)channels), checked((int)inner));
    }
}
