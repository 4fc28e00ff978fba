using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Sums and extremes per channel of a tensor [outer, channels, inner].</summary>
/// <param name="channels">Number of channels.</param>
internal sealed class ChannelSums(int channels)
{
    /// <summary>Elements per channel.</summary>
    public long Count { get; private set; }

    /// <summary>Σx per channel, in binary64.</summary>
    public double[] Sums { get; } = new double[channels];

    /// <summary>Σx² per channel, in binary64.</summary>
    public double[] Squares { get; } = new double[channels];

    /// <summary>Smallest per channel.</summary>
    public float[] Min { get; } = new float[channels];

    /// <summary>Largest per channel.</summary>
    public float[] Max { get; } = new float[channels];

    /// <summary>False if an element was found to be NaN or infinite where there are no sums to tell it.</summary>
    public bool AllFinite { get; private set; } = true;

    /// <summary>Scans a tensor in a fixed order; what was here before is forgotten.</summary>
    public void Measure(ReadOnlySpan<float> elements, int inner)
    {
        int channels = Sums.Length;
        Forget();
        Count = channels == 0 ? 0 : elements.Length / channels;
        if (inner == 1)
            for (int at = 0; at < elements.Length; at += channels) AddRow(elements.Slice(at, channels));
        else
            for (int at = 0, c = 0; at < elements.Length; at += inner, c = c + 1 == channels ? 0 : c + 1) AddRun(elements.Slice(at, inner), c);
    }

    /// <summary>Scans a tensor for the extremes of its channels alone, of finite elements if there are others.</summary>
    public void MeasureExtremes(ReadOnlySpan<float> elements, int inner)
    {
        Forget();
        AddExtremes(elements, inner);
    }

    /// <summary>Adds the extremes of another tensor with as many channels.</summary>
    public void AddExtremes(ReadOnlySpan<float> elements, int inner)
    {
        if (inner == 1)
        {
            for (int at = 0; at < elements.Length; at += Sums.Length) AddExtremes(elements.Slice(at, Sums.Length));
            return;
        }

        for (int at = 0, c = 0; at < elements.Length; at += inner, c = c + 1 == Sums.Length ? 0 : c + 1)
        {
            var range = SpanRange.Of(elements.Slice(at, inner));
            Min[c] = Math.Min(Min[c], range.Min);
            Max[c] = Math.Max(Max[c], range.Max);
            AllFinite &= range.AllFinite;
        }
    }

    /// <summary>One element of every channel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddExtremes(ReadOnlySpan<float> row)
    {
        for (int c = 0; c < row.Length; c++)
        {
            float x = row[c];
            AllFinite &= float.IsFinite(x);
            if (!float.IsFinite(x)) continue;
            if (x < Min[c]) Min[c] = x;
            if (x > Max[c]) Max[c] = x;
        }
    }

    private void Forget()
    {
        (Count, AllFinite) = (0, true);
        Array.Clear(Sums);
        Array.Clear(Squares);
        Array.Fill(Min, float.PositiveInfinity);
        Array.Fill(Max, float.NegativeInfinity);
    }

    /// <summary>One element of every channel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddRow(ReadOnlySpan<float> row)
    {
        for (int c = 0; c < row.Length; c++)
        {
            float x = row[c];
            Sums[c] += x;
            Squares[c] += (double)x * x;
            if (x < Min[c]) Min[c] = x;
            if (x > Max[c]) Max[c] = x;
        }
    }

    /// <summary>Consecutive elements of one channel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddRun(ReadOnlySpan<float> run, int c)
    {
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(run);
        // Two of everything: one addition would have to wait for the one before.
        Vector256<double> sum0 = default, sum1 = default, square0 = default, square1 = default;
        Vector256<float> low = Vector256.Create(Min[c]), high = Vector256.Create(Max[c]);
        foreach (var x in vectors)
        {
            (var a, var b) = Vector256.Widen(x);
            sum0 += a;
            sum1 += b;
            square0 += a * a;
            square1 += b * b;
            low = Vector256.MinNative(low, x);
            high = Vector256.MaxNative(high, x);
        }

        double total = SumOf(sum0 + sum1), energy = SumOf(square0 + square1);
        float min = Min[c], max = Max[c];
        for (int lane = 0; lane < Vector256<float>.Count; lane++) (min, max) = (Math.Min(min, low[lane]), Math.Max(max, high[lane]));
        foreach (float x in run[(vectors.Length * Vector256<float>.Count)..])
        {
            total += x;
            energy += (double)x * x;
            (min, max) = (Math.Min(min, x), Math.Max(max, x));
        }

        Sums[c] += total;
        Squares[c] += energy;
        (Min[c], Max[c]) = (min, max);
    }

    private static double SumOf(Vector256<double> v) => (v[0] + v[1]) + (v[2] + v[3]);
}
