using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Quantization;

/// <summary>A weight cut into blocks along what its consumer sums over.</summary>
/// <param name="Layout">Order of elements and scales.</param>
/// <param name="Codes">Shape of the codes: the weight's with the reduction split in (blocks, block length).</param>
/// <param name="BlockScales">Shape of the scales per block, which broadcasts against <paramref name="Codes"/>.</param>
/// <param name="ChannelScales">Shape of the scales per channel, which broadcasts against <paramref name="BlockScales"/>.</param>
/// <param name="BlocksFirst">True when all channels of a block lie together, so that scale number = block · channels + channel; else channel · blocks + block.</param>
internal sealed record BlockShape(ChannelLayout Layout, long[] Codes, long[] BlockScales, long[] ChannelScales, bool BlocksFirst)
{
    private const int Shortest = 16;
    private const int Longest = 48;
    private const int Wanted = 32;

    /// <summary>Number of channels.</summary>
    public int Channels => BlocksFirst ? Layout.Channels : (int)Codes[0];

    /// <summary>Number of blocks in each channel.</summary>
    public int Blocks => Layout.ScaleCount / Channels;

    /// <summary>Elements of a block in one channel.</summary>
    public int ElementsPerScale => Layout.ElementCount / Layout.ScaleCount;

    /// <summary>Channel of a scale number.</summary>
    public int ChannelOf(int scale) => BlocksFirst ? scale % Channels : scale / Blocks;

    /// <summary>
    /// Blocks of about 32 elements that divide the reduction evenly, or null when there is no such length or the axes lie otherwise than as
    /// [channels, reduction…] or [reduction, channels, …].
    /// </summary>
    public static BlockShape? TryMake(Tensor weight, WeightUse use)
    {
        var dims = weight.Dims;
        var axes = use.ChannelAxes;
        var layout = ChannelLayout.Of(dims, axes);
        if (axes[0] == 0 && use.ReductionAxis > axes[^1])
        {
            int length = BlockLength(layout.Inner);
            long blocks = length == 0 ? 0 : layout.Inner / length;
            return length == 0 ? null : new(new(1, layout.Channels * (int)blocks, length), [layout.Channels, blocks, length], [layout.Channels, blocks, 1], [layout.Channels, 1, 1], false);
        }

        if (axes is [1] && use.ReductionAxis == 0)
        {
            int length = BlockLength(layout.Outer);
            if (length == 0) return null;
            int blocks = layout.Outer / length;
            long[] inner = layout.Inner == 1 ? [] : [layout.Inner];
            long[] one = layout.Inner == 1 ? [] : [1];
            return new(new(length, layout.Channels, layout.Inner, blocks), [blocks, length, layout.Channels, .. inner], [blocks, 1, layout.Channels, .. one], [layout.Channels, .. one], true);
        }

        return null;
    }

    private static int BlockLength(int reduction)
    {
        int best = 0;
        for (int length = Shortest; length <= Math.Min(Longest, reduction / 2); length++)
            if (reduction % length == 0 && (best == 0 || Math.Abs(length - Wanted) < Math.Abs(best - Wanted))) best = length;
        return best;
    }
}
