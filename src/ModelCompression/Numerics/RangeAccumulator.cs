using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Collects minimum and maximum per channel over parts of a tensor.</summary>
/// <remarks>The loops are compiled optimised at once: a build runs them a few times only, before tiered compilation would get to them.</remarks>
internal sealed class RangeAccumulator
{
    /// <summary>Runs shorter than this are scanned row-wise, one lane per position, instead of run by run.</summary>
    internal const int ShortRun = 32;

    /// <summary>Bits of +∞: what is at or above, sign aside, is not finite.</summary>
    private const int InfinityBits = 0x7F800000;

    private readonly ChannelLayout layout;
    private readonly bool byRow;
    private readonly float[] min;
    private readonly float[] max;
    private int largestBits;
    private long zeros;

    /// <summary>Makes an empty one for one group of channels.</summary>
    public RangeAccumulator(ChannelLayout layout)
    {
        this.layout = layout;
        byRow = layout.Inner < ShortRun;
        int length = byRow ? layout.Channels * layout.Inner : layout.Channels;
        min = new float[length];
        max = new float[length];
        Clear();
    }

    /// <summary>Smallest element so far per channel, for channels without inner dimensions; +∞ before the first.</summary>
    public ReadOnlySpan<float> Lowest => min;

    /// <summary>Largest element so far per channel, for channels without inner dimensions; −∞ before the first.</summary>
    public ReadOnlySpan<float> Highest => max;

    /// <summary>False after a NaN or an infinity.</summary>
    public bool AllFinite => largestBits < InfinityBits;

    /// <summary>Elements that are ±0.</summary>
    public long Zeros => zeros;

    /// <summary>Makes it empty again.</summary>
    public void Clear()
    {
        min.AsSpan().Fill(float.PositiveInfinity);
        max.AsSpan().Fill(float.NegativeInfinity);
        (largestBits, zeros) = (0, 0);
    }

    /// <summary>Adds the elements from position <paramref name="start"/> of the group and returns their sum of squares.</summary>
    public double Add(ReadOnlySpan<float> elements, int start)
    {
        int period = byRow ? min.Length : layout.Inner;
        double energy = 0;
        while (!elements.IsEmpty)
        {
            int within = start % period;
            int length = Math.Min(period - within, elements.Length);
            energy += byRow ? AddRow(elements[..length], within) : AddRun(elements[..length], start / layout.Inner % layout.Channels);
            elements = elements[length..];
            start += length;
        }

        return energy;
    }

    /// <summary>Adds what another one has seen.</summary>
    public void Merge(RangeAccumulator other)
    {
        for (int i = 0; i < min.Length; i++)
        {
            min[i] = Math.Min(min[i], other.min[i]);
            max[i] = Math.Max(max[i], other.max[i]);
        }

        largestBits = Math.Max(largestBits, other.largestBits);
        zeros += other.zeros;
    }

    /// <summary>Minimum and maximum per channel; zeros when nothing was added or not all is finite.</summary>
    public (float[] Min, float[] Max) Reduce()
    {
        var low = new float[layout.Channels];
        var high = new float[layout.Channels];
        int inner = byRow ? layout.Inner : 1;
        for (int c = 0; c < low.Length && AllFinite && layout.ElementCount > 0; c++)
        {
            (low[c], high[c]) = (float.PositiveInfinity, float.NegativeInfinity);
            for (int i = c * inner; i < (c + 1) * inner; i++)
            {
                low[c] = Math.Min(low[c], min[i]);
                high[c] = Math.Max(high[c], max[i]);
            }
        }

        return (low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private double AddRow(ReadOnlySpan<float> elements, int position)
    {
        var low = MemoryMarshal.Cast<float, Vector256<float>>(min.AsSpan(position, elements.Length));
        var high = MemoryMarshal.Cast<float, Vector256<float>>(max.AsSpan(position, elements.Length));
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(elements);
        var bits = Vector256<int>.Zero;
        var squares = Vector256<double>.Zero;
        var equal = Vector256<int>.Zero;
        for (int v = 0; v < vectors.Length; v++)
        {
            var x = vectors[v];
            low[v] = Vector256.MinNative(low[v], x);
            high[v] = Vector256.MaxNative(high[v], x);
            bits = Vector256.Max(bits, Magnitude(x));
            squares += Squares(x);
            equal += Vector256.Equals(x, Vector256<float>.Zero).AsInt32();
        }

        zeros -= Vector256.Sum(equal);
        double energy = ((squares[0] + squares[1]) + (squares[2] + squares[3]));
        for (int i = vectors.Length * Vector256<float>.Count; i < elements.Length; i++)
            energy += AddOne(elements[i], ref min[position + i], ref max[position + i]);
        Widen(bits);
        return energy;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private double AddRun(ReadOnlySpan<float> elements, int channel)
    {
        var low = Vector256.Create(float.PositiveInfinity);
        var high = Vector256.Create(float.NegativeInfinity);
        var bits = Vector256<int>.Zero;
        var squares = Vector256<double>.Zero;
        var equal = Vector256<int>.Zero;
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(elements);
        foreach (var x in vectors)
        {
            low = Vector256.MinNative(low, x);
            high = Vector256.MaxNative(high, x);
            bits = Vector256.Max(bits, Magnitude(x));
            squares += Squares(x);
            equal += Vector256.Equals(x, Vector256<float>.Zero).AsInt32();
        }

        zeros -= Vector256.Sum(equal);
        for (int lane = 0; lane < Vector256<float>.Count; lane++)
        {
            min[channel] = Math.Min(min[channel], low[lane]);
            max[channel] = Math.Max(max[channel], high[lane]);
        }

        double energy = ((squares[0] + squares[1]) + (squares[2] + squares[3]));
        foreach (float x in elements[(vectors.Length * Vector256<float>.Count)..]) energy += AddOne(x, ref min[channel], ref max[channel]);
        Widen(bits);
        return energy;
    }

    private double AddOne(float x, ref float low, ref float high)
    {
        largestBits = Math.Max(largestBits, BitConverter.SingleToInt32Bits(x) & int.MaxValue);
        low = Math.Min(low, x);
        high = Math.Max(high, x);
        if (x == 0) zeros++;
        return (double)x * x;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Magnitude(Vector256<float> x) => x.AsInt32() & Vector256.Create(int.MaxValue);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Squares(Vector256<float> x)
    {
        (var low, var high) = Vector256.Widen(x);
        return (low * low) + (high * high);
    }

    private void Widen(Vector256<int> bits)
    {
        for (int lane = 0; lane < Vector256<int>.Count; lane++) largestBits = Math.Max(largestBits, bits[lane]);
    }
}
