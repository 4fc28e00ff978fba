using System.Numerics;
using System.Runtime.InteropServices;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Pruning;

/// <inheritdoc cref="PrunedElements"/>
internal sealed class PrunedElements<TBits, TMagnitude>(Tensor original, TBits[] result) : PrunedElements
    where TBits : unmanaged, IBinaryInteger<TBits>
    where TMagnitude : struct, IMagnitude<TBits>
{
    private const int ChunkLength = WeightElements.ChunkLength;

    private int ChunkCount => (result.Length + ChunkLength - 1) / ChunkLength;

    public override int RestoreEmptyChannels(ChannelLayout layout)
    {
        var alive = Alive(layout, result);
        if (!alive.AsSpan().Contains(false)) return 0;
        var wasAlive = Alive(layout, original.AsSpan<TBits>());
        int restored = 0;
        for (int channel = 0; channel < layout.Channels; channel++)
        {
            if (alive[channel] || !wasAlive[channel]) continue;
            int largest = LargestOf(layout, channel);
            result[largest] = original.AsSpan<TBits>()[largest];
            restored++;
        }

        return restored;
    }

    public override PruningMeasure Measure()
    {
        var sums = new EnergySums[ChunkCount];
        Parallel.For(0, ChunkCount, chunk =>
        {
            var before = Chunk(original.AsSpan<TBits>(), chunk);
            var after = Chunk<TBits>(result, chunk);
            sums[chunk] = typeof(TMagnitude) == typeof(Binary32)
                ? EnergySums.Of(MemoryMarshal.Cast<TBits, float>(before), MemoryMarshal.Cast<TBits, float>(after))
                : Energies(before, after);
        });
        // In chunk order, so that the sum is the same for any number of threads.
        double removed = sums.Sum(s => s.Removed), kept = sums.Sum(s => s.Kept);
        return new(sums.Sum(s => s.Zeros), new(kept + removed, removed), kept);
    }

    public override Tensor ToTensor() => new(original.DataType, original.Dims, TensorData.FromArray(result)) { DocString = original.DocString };

    private static ReadOnlySpan<T> Chunk<T>(ReadOnlySpan<T> elements, int chunk) =>
        elements.Slice(chunk * ChunkLength, Math.Min(ChunkLength, elements.Length - (chunk * ChunkLength)));

    private static EnergySums Energies(ReadOnlySpan<TBits> before, ReadOnlySpan<TBits> after)
    {
        var sums = default(EnergySums);
        for (int i = 0; i < before.Length; i++)
        {
            double value = BitConverter.UInt32BitsToSingle(TMagnitude.Key(before[i]));
            if (after[i] == before[i]) sums.Kept += value * value;
            else sums.Removed += value * value;
            if ((after[i] & TMagnitude.MagnitudeMask) == TBits.Zero) sums.Zeros++;
        }

        return sums;
    }

    /// <summary>Which channels have a non-zero element.</summary>
    private static bool[] Alive(ChannelLayout layout, ReadOnlySpan<TBits> elements)
    {
        var alive = new bool[layout.Channels];
        int missing = layout.Channels;
        for (int outer = 0; outer < layout.Outer && missing > 0; outer++)
        {
            for (int channel = 0; channel < layout.Channels; channel++)
            {
                if (alive[channel]) continue;
                int start = ((outer * layout.Channels) + channel) * layout.Inner;
                foreach (var bits in elements.Slice(start, layout.Inner))
                {
                    if ((bits & TMagnitude.MagnitudeMask) == TBits.Zero) continue;
                    alive[channel] = true;
                    missing--;
                    break;
                }
            }
        }

        return alive;
    }

    /// <summary>Position of a channel's element of largest absolute value, the first of several.</summary>
    private int LargestOf(ChannelLayout layout, int channel)
    {
        var elements = original.AsSpan<TBits>();
        int largest = -1;
        for (int outer = 0; outer < layout.Outer; outer++)
        {
            int start = ((outer * layout.Channels) + channel) * layout.Inner;
            for (int i = start; i < start + layout.Inner; i++)
                if (largest < 0 || (elements[i] & TMagnitude.MagnitudeMask) > (elements[largest] & TMagnitude.MagnitudeMask)) largest = i;
        }

        return largest;
    }
}
