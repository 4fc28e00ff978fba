using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>Arithmetic on rows of matrices by fused multiply-adds, the same bits on every processor.</summary>
internal static class Rows
{
    /// <summary>target += factor · source, for as many elements as the source has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddScaled(Span<float> target, ReadOnlySpan<float> source, float factor)
    {
        ref float t = ref MemoryMarshal.GetReference(target[..source.Length]);
        ref float s = ref MemoryMarshal.GetReference(source);
        var f = Vector256.Create(factor);
        int i = 0;
        for (; i <= source.Length - Vector256<float>.Count; i += Vector256<float>.Count)
            Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref s, (nuint)i), f, Vector256.LoadUnsafe(ref t, (nuint)i)).StoreUnsafe(ref t, (nuint)i);
        for (; i < source.Length; i++) Unsafe.Add(ref t, i) = MathF.FusedMultiplyAdd(Unsafe.Add(ref s, i), factor, Unsafe.Add(ref t, i));
    }

    /// <summary>target[r] += Σ factors[r, k] · source[k] for rows of <paramref name="width"/> elements that lie <paramref name="stride"/> apart.</summary>
    /// <param name="target">From the first element of the first row on.</param>
    /// <param name="rows">Rows of target and factors.</param>
    /// <param name="factors">Rows of <paramref name="count"/> factors.</param>
    /// <param name="source">From the first element of the first row on.</param>
    /// <param name="count">Rows of source.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="stride">Distance of rows in target and source.</param>
    public static void AddProduct(Span<float> target, int rows, ReadOnlySpan<float> factors, ReadOnlySpan<float> source, int count, int width, int stride)
    {
        int r = 0;
        for (; r <= rows - 4; r += 4) AddFour(target.Slice(r * stride, (3 * stride) + width), factors.Slice(r * count, 4 * count), source, count, width, stride);
        for (; r < rows; r++)
            for (int k = 0; k < count; k++) AddScaled(target.Slice(r * stride, width), source.Slice(k * stride, width), factors[(r * count) + k]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFour(Span<float> target, ReadOnlySpan<float> factors, ReadOnlySpan<float> source, int count, int width, int stride)
    {
        ref float s = ref MemoryMarshal.GetReference(source);
        ref float f = ref MemoryMarshal.GetReference(factors);
        int j = 0;
        for (; j <= width - Vector256<float>.Count; j += Vector256<float>.Count)
        {
            ref float t = ref Unsafe.Add(ref MemoryMarshal.GetReference(target), j);
            var a = Vector256.LoadUnsafe(ref t);
            var b = Vector256.LoadUnsafe(ref t, (nuint)stride);
            var c = Vector256.LoadUnsafe(ref t, (nuint)(2 * stride));
            var d = Vector256.LoadUnsafe(ref t, (nuint)(3 * stride));
            for (int k = 0; k < count; k++)
            {
                var v = Vector256.LoadUnsafe(ref s, (nuint)((k * stride) + j));
                a = Vector256.FusedMultiplyAdd(Vector256.Create(Unsafe.Add(ref f, k)), v, a);
                b = Vector256.FusedMultiplyAdd(Vector256.Create(Unsafe.Add(ref f, count + k)), v, b);
                c = Vector256.FusedMultiplyAdd(Vector256.Create(Unsafe.Add(ref f, (2 * count) + k)), v, c);
                d = Vector256.FusedMultiplyAdd(Vector256.Create(Unsafe.Add(ref f, (3 * count) + k)), v, d);
            }

            a.StoreUnsafe(ref t);
            b.StoreUnsafe(ref t, (nuint)stride);
            c.StoreUnsafe(ref t, (nuint)(2 * stride));
            d.StoreUnsafe(ref t, (nuint)(3 * stride));
        }

        for (; j < width; j++)
            for (int r = 0; r < 4; r++)
                for (int k = 0; k < count; k++)
                    target[(r * stride) + j] = MathF.FusedMultiplyAdd(factors[(r * count) + k], source[(k * stride) + j], target[(r * stride) + j]);
    }
}
