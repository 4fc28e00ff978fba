using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>Counts elements in bins whose width is a power of two, so that no element is put into a wrong bin by rounding.</summary>
internal static class BinnedCounts
{
    /// <summary>Widths below this would need a factor that binary32 cannot hold; smaller elements then share a bin.</summary>
    private const int MinExponent = -120;

    /// <summary>The smallest e such that |x| &lt; <paramref name="halfCount"/>·2^e for every |x| ≤ <paramref name="absMax"/>.</summary>
    public static int ExponentFor(float absMax, int halfCount)
    {
        if (!(absMax > 0)) return MinExponent;
        return Math.Max(MinExponent, Math.ILogB(absMax) + 1 - int.Log2(halfCount));
    }

    /// <summary>Counts floor(x/2^e) plus half the number of bins.</summary>
    /// <param name="elements">Elements; those not finite are left out.</param>
    /// <param name="exponent">e.</param>
    /// <param name="bins">What is added to; as many on each side of 0, a power of two.</param>
    /// <param name="allFinite">True if all elements are known to be finite.</param>
    public static void Add(ReadOnlySpan<float> elements, int exponent, int[] bins, bool allFinite)
    {
        int halfCount = bins.Length / 2;
        if (allFinite) CountFinite(elements, exponent, halfCount, bins);
        else
            foreach (float x in elements)
                if (float.IsFinite(x)) bins[IndexOf(x, exponent, halfCount)]++;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CountFinite(ReadOnlySpan<float> elements, int exponent, int halfCount, int[] bins)
    {
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(elements);
        var factor = Vector256.Create(MathF.ScaleB(1f, -exponent));
        var offset = Vector256.Create(halfCount);
        var last = Vector256.Create((2 * halfCount) - 1);
        ref int first = ref MemoryMarshal.GetArrayDataReference(bins);
        for (int v = 0; v < vectors.Length; v++)
        {
            var index = Vector256.ConvertToInt32Native(Vector256.Floor(vectors[v] * factor)) + offset;
            index = Vector256.Min(Vector256.Max(index, Vector256<int>.Zero), last);
            for (int lane = 0; lane < Vector256<int>.Count; lane++) Unsafe.Add(ref first, index[lane])++;
        }

        for (int i = vectors.Length * Vector256<float>.Count; i < elements.Length; i++) bins[IndexOf(elements[i], exponent, halfCount)]++;
    }

    private static int IndexOf(float x, int exponent, int halfCount) =>
        Math.Clamp((int)MathF.Floor(x * MathF.ScaleB(1f, -exponent)) + halfCount, 0, (2 * halfCount) - 1);
}
