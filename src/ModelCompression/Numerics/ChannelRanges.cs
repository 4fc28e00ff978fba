using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Numerics;

/// <summary>Smallest and largest element of every channel.</summary>
/// <param name="Min">Smallest per channel; 0 for an empty channel.</param>
/// <param name="Max">Largest per channel; 0 for an empty channel.</param>
/// <param name="AllFinite">False when there is a NaN or an infinity anywhere; the ranges are then meaningless.</param>
internal sealed record ChannelRanges(float[] Min, float[] Max, bool AllFinite)
{
    /// <summary>Bits of +∞: what is at or above, sign aside, is not finite.</summary>
    private const int InfinityBits = 0x7F800000;

    /// <summary>Runs shorter than this are scanned row-wise, one lane per position, instead of run by run.</summary>
    internal const int ShortRun = 32;

    /// <summary>Scans a binary32 tensor.</summary>
    /// <param name="tensor">Type <see cref="DataType.Float"/>, laid out as <paramref name="layout"/> says.</param>
    /// <param name="layout">Channels.</param>
    /// <param name="threads">Most threads, or −1 for all; the result does not depend on it, minimum and maximum being exact.</param>
    public static ChannelRanges Of(Tensor tensor, ChannelLayout layout, int threads = -1)
    {
        int rowLength = RowLength(layout);
        var total = new Accumulator(rowLength);
        int count = layout.ElementCount;
        if (ElementBlocks.Count(count) <= 1 || threads == 1)
        {
            total.Add(tensor.AsSpan<float>(), 0, layout.Inner);
        }
        else
        {
            Parallel.For(0, ElementBlocks.Count(count), new ParallelOptions { MaxDegreeOfParallelism = threads }, () => new Accumulator(rowLength), (block, _, part) =>
            {
                (int start, int length) = ElementBlocks.At(block, count);
                part.Add(tensor.AsSpan<float>().Slice(start, length), start, layout.Inner);
                return part;
            }, part =>
            {
                lock (total) total.Merge(part);
            });
        }

        return total.Reduce(layout);
    }

    /// <summary>Positions after which the channels repeat: a whole row for short runs, else one position per channel.</summary>
    private static int RowLength(ChannelLayout layout) => layout.Inner < ShortRun ? layout.Channels * layout.Inner : layout.Channels;

    private sealed class Accumulator
    {
        private readonly float[] min;
        private readonly float[] max;
        private int largestBits;

        public Accumulator(int length)
        {
            min = new float[length];
            max = new float[length];
            min.AsSpan().Fill(float.PositiveInfinity);
            max.AsSpan().Fill(float.NegativeInfinity);
        }

        public void Add(ReadOnlySpan<float> elements, int start, int inner)
        {
            int period = inner < ShortRun ? min.Length : inner;
            while (!elements.IsEmpty)
            {
                int within = start % period;
                int length = Math.Min(period - within, elements.Length);
                if (inner < ShortRun) AddRow(elements[..length], within);
                else AddRun(elements[..length], start / inner % min.Length);
                elements = elements[length..];
                start += length;
            }
        }

        public void Merge(Accumulator other)
        {
            for (int i = 0; i < min.Length; i++)
            {
                min[i] = Math.Min(min[i], other.min[i]);
                max[i] = Math.Max(max[i], other.max[i]);
            }

            largestBits = Math.Max(largestBits, other.largestBits);
        }

        public ChannelRanges Reduce(ChannelLayout layout)
        {
            bool finite = largestBits < InfinityBits;
            int inner = min.Length == layout.Channels ? 1 : layout.Inner;
            var low = new float[layout.Channels];
            var high = new float[layout.Channels];
            for (int c = 0; c < low.Length && finite && layout.ElementCount > 0; c++)
            {
                (low[c], high[c]) = (float.PositiveInfinity, float.NegativeInfinity);
                for (int i = c * inner; i < (c + 1) * inner; i++)
                {
                    low[c] = Math.Min(low[c], min[i]);
                    high[c] = Math.Max(high[c], max[i]);
                }
            }

            return new ChannelRanges(low, high, finite);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void AddRow(ReadOnlySpan<float> elements, int position)
        {
            var low = min.AsSpan(position, elements.Length);
            var high = max.AsSpan(position, elements.Length);
            var bits = Vector256<int>.Zero;
            int i = 0;
            for (; i <= elements.Length - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                var x = Vector256.Create(elements[i..]);
                Vector256.MinNative(Vector256.Create<float>(low[i..]), x).CopyTo(low[i..]);
                Vector256.MaxNative(Vector256.Create<float>(high[i..]), x).CopyTo(high[i..]);
                bits = Vector256.Max(bits, Magnitude(x));
            }

            Widen(bits);
            for (; i < elements.Length; i++)
            {
                Widen(elements[i]);
                low[i] = Math.Min(low[i], elements[i]);
                high[i] = Math.Max(high[i], elements[i]);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void AddRun(ReadOnlySpan<float> elements, int channel)
        {
            var low = Vector256.Create(float.PositiveInfinity);
            var high = Vector256.Create(float.NegativeInfinity);
            var bits = Vector256<int>.Zero;
            var vectors = MemoryMarshal.Cast<float, Vector256<float>>(elements);
            foreach (var x in vectors)
            {
                low = Vector256.MinNative(low, x);
                high = Vector256.MaxNative(high, x);
                bits = Vector256.Max(bits, Magnitude(x));
            }

            Widen(bits);
            for (int lane = 0; lane < Vector256<float>.Count; lane++)
            {
                min[channel] = Math.Min(min[channel], low[lane]);
                max[channel] = Math.Max(max[channel], high[lane]);
            }

            foreach (float x in elements[(vectors.Length * Vector256<float>.Count)..])
            {
                Widen(x);
                min[channel] = Math.Min(min[channel], x);
                max[channel] = Math.Max(max[channel], x);
            }
        }

        private static Vector256<int> Magnitude(Vector256<float> x) => x.AsInt32() & Vector256.Create(int.MaxValue);

        private void Widen(float x) => largestBits = Math.Max(largestBits, BitConverter.SingleToInt32Bits(x) & int.MaxValue);

        private void Widen(Vector256<int> bits)
        {
            for (int lane = 0; lane < Vector256<int>.Count; lane++) largestBits = Math.Max(largestBits, bits[lane]);
        }
    }
}
