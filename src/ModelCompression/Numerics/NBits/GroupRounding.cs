using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>Rounds the elements of a group to codes.</summary>
/// <remarks>
/// code = clamp(round(x / scale + zero), 0, 2^bits − 1) in binary32, ties to even. The loss is that of (code − zero)·scale in binary32, which is what a runtime computes.
/// </remarks>
internal static class GroupRounding
{
    private const int Step = 32;

    /// <summary>Rounds to nearest.</summary>
    /// <param name="x">Finite elements.</param>
    /// <param name="map">Their map.</param>
    /// <param name="highest">The highest code.</param>
    /// <param name="codes">Receives one code per element.</param>
    /// <returns>Σ (x − x̂)² in the order of fixed lanes.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double ToNearest(ReadOnlySpan<float> x, GroupMap map, int highest, Span<byte> codes)
    {
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(x);
        var scale = Vector256.Create(map.Scale);
        var zero = Vector256.Create(map.Zero);
        var high = Vector256.Create((float)highest);
        var noise = Vector256<float>.Zero;
        double total = 0;
        int done = 0;
        for (; done <= x.Length - Step; done += Step)
        {
            int v = done / Vector256<float>.Count;
            var a = Round(vectors[v], scale, zero, high, ref noise);
            var b = Round(vectors[v + 1], scale, zero, high, ref noise);
            var c = Round(vectors[v + 2], scale, zero, high, ref noise);
            var d = Round(vectors[v + 3], scale, zero, high, ref noise);
            Vector256.Narrow(Vector256.Narrow(a, b), Vector256.Narrow(c, d)).AsByte().CopyTo(codes[done..]);
            if ((done & 1023) == 992) total += Flush(ref noise);
        }

        total += Flush(ref noise);
        for (; done < x.Length; done++)
        {
            float code = Math.Clamp(MathF.Round((x[done] / map.Scale) + map.Zero), 0f, highest);
            codes[done] = (byte)code;
            float error = x[done] - ((code - map.Zero) * map.Scale);
            total += (double)error * error;
        }

        return total;
    }

    /// <summary>Σ (x − x̂)² of codes that were chosen otherwise.</summary>
    public static double Noise(ReadOnlySpan<float> x, GroupMap map, ReadOnlySpan<byte> codes)
    {
        double total = 0;
        for (int i = 0; i < x.Length; i++)
        {
            float error = x[i] - ((codes[i] - map.Zero) * map.Scale);
            total += (double)error * error;
        }

        return total;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Round(Vector256<float> x, Vector256<float> scale, Vector256<float> zero, Vector256<float> high, ref Vector256<float> noise)
    {
        var code = Vector256.MinNative(Vector256.MaxNative(Vector256.Round((x / scale) + zero), Vector256<float>.Zero), high);
        var error = x - ((code - zero) * scale);
        noise += error * error;
        return Vector256.ConvertToInt32Native(code);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double Flush(ref Vector256<float> noise)
    {
        double sum = Lanes.Sum(noise);
        noise = Vector256<float>.Zero;
        return sum;
    }
}
