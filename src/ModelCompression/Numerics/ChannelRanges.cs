using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Numerics;

/// <summary>Smallest and largest element of every channel, and what else one look at a tensor tells.</summary>
/// <param name="Min">Smallest per scale; 0 for an empty channel.</param>
/// <param name="Max">Largest per scale; 0 for an empty channel.</param>
/// <param name="Energy">Sum of squares of all elements.</param>
/// <param name="AllFinite">False when there is a NaN or an infinity anywhere; the rest is then meaningless.</param>
internal sealed record ChannelRanges(float[] Min, float[] Max, double Energy, bool AllFinite)
{
    /// <summary>Largest magnitude of one channel.</summary>
    public float AbsMax(int scale) => Math.Max(-Min[scale], Max[scale]);

    /// <summary>Scans a binary32 tensor.</summary>
    /// <param name="tensor">Type <see cref="DataType.Float"/>, laid out as <paramref name="layout"/> says.</param>
    /// <param name="layout">Channels.</param>
    /// <param name="threads">Most threads, or −1 for all; the result does not depend on it: minimum and maximum are exact, energies are summed in a fixed order.</param>
    public static ChannelRanges Of(Tensor tensor, ChannelLayout layout, int threads = -1)
    {
        var parts = new Part[layout.Groups];
        if (layout.Groups == 1) parts[0] = ScanGroup(tensor, 0, layout, threads);
        else Parallel.For(0, layout.Groups, new ParallelOptions { MaxDegreeOfParallelism = threads }, g => parts[g] = ScanGroup(tensor, g * layout.GroupLength, layout.OneGroup(), 1));
        if (parts.Sum(p => (long)p.Count) == tensor.ElementCount) tensor.NonZeroCount = parts.Sum(p => p.Count - p.Zeros);
        if (layout.Groups == 1) return new(parts[0].Min, parts[0].Max, parts[0].Energy, parts[0].AllFinite);
        var (min, max, energy, finite) = (new float[layout.ScaleCount], new float[layout.ScaleCount], 0.0, true);
        for (int g = 0; g < parts.Length; g++)
        {
            parts[g].Min.CopyTo(min, g * layout.Channels);
            parts[g].Max.CopyTo(max, g * layout.Channels);
            energy += parts[g].Energy;
            finite &= parts[g].AllFinite;
        }

        return new(min, max, energy, finite);
    }

    private static Part ScanGroup(Tensor tensor, int offset, ChannelLayout layout, int threads)
    {
        int count = layout.ElementCount, blocks = ElementBlocks.Count(count);
        var energies = new double[blocks];
        var total = new RangeAccumulator(layout);
        if (blocks <= 1 || threads == 1)
        {
            for (int block = 0; block < blocks; block++) energies[block] = Add(total, block);
        }
        else
        {
            Parallel.For(0, blocks, new ParallelOptions { MaxDegreeOfParallelism = threads }, () => new RangeAccumulator(layout), (block, _, part) =>
            {
                energies[block] = Add(part, block);
                return part;
            }, part =>
            {
                lock (total) total.Merge(part);
            });
        }

        double energy = 0;
        foreach (double part in energies) energy += part;
        (float[] min, float[] max) = total.Reduce();
        return new Part(min, max, energy, total.AllFinite, count, total.Zeros);

        double Add(RangeAccumulator accumulator, int block)
        {
            (int start, int length) = ElementBlocks.At(block, count);
            return accumulator.Add(tensor.AsSpan<float>().Slice(offset + start, length), start);
        }
    }

    private readonly record struct Part(float[] Min, float[] Max, double Energy, bool AllFinite, int Count, long Zeros);
}
