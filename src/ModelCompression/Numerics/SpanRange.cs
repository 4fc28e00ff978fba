using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Smallest and largest finite element of a span.</summary>
/// <param name="Min">+∞ without finite elements.</param>
/// <param name="Max">−∞ without finite elements.</param>
/// <param name="AllFinite">False if an element is NaN or infinite.</param>
internal readonly record struct SpanRange(float Min, float Max, bool AllFinite)
{
    /// <summary>Largest magnitude; −∞ without finite elements.</summary>
    public float AbsMax => Math.Max(-Min, Max);

    /// <summary>Scans a span; memory bound.</summary>
    public static SpanRange Of(ReadOnlySpan<float> elements)
    {
        var range = Fast(elements);
        return range.AllFinite ? range : Careful(elements);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static SpanRange Fast(ReadOnlySpan<float> elements)
    {
        float min = float.PositiveInfinity, max = float.NegativeInfinity, poison = 0;
        int done = 0;
        if (elements.Length >= 16)
        {
            var vectors = MemoryMarshal.Cast<float, Vector256<float>>(elements);
            Vector256<float> low0 = Vector256.Create(min), low1 = low0, high0 = Vector256.Create(max), high1 = high0;
            Vector256<float> poison0 = default, poison1 = default;
            int v = 0;
            for (; v <= vectors.Length - 2; v += 2)
            {
                // A NaN may be lost in minimum and maximum; times zero, it and the infinities leave a NaN behind.
                var (a, b) = (vectors[v], vectors[v + 1]);
                low0 = Vector256.MinNative(low0, a);
                high0 = Vector256.MaxNative(high0, a);
                poison0 += a * Vector256<float>.Zero;
                low1 = Vector256.MinNative(low1, b);
                high1 = Vector256.MaxNative(high1, b);
                poison1 += b * Vector256<float>.Zero;
            }

            (low0, high0, poison0) = (Vector256.MinNative(low0, low1), Vector256.MaxNative(high0, high1), poison0 + poison1);
            for (int lane = 0; lane < Vector256<float>.Count; lane++)
            {
                min = Math.Min(min, low0[lane]);
                max = Math.Max(max, high0[lane]);
                poison += poison0[lane];
            }

            done = v * Vector256<float>.Count;
        }

        for (; done < elements.Length; done++)
        {
            float x = elements[done];
            min = Math.Min(min, x);
            max = Math.Max(max, x);
            poison += x * 0f;
        }

        return new(min, max, poison == 0);
    }

    private static SpanRange Careful(ReadOnlySpan<float> elements)
    {
        float min = float.PositiveInfinity, max = float.NegativeInfinity;
        foreach (float x in elements)
        {
            if (!float.IsFinite(x)) continue;
            if (x < min) min = x;
            if (x > max) max = x;
        }

        return new(min, max, false);
    }
}
