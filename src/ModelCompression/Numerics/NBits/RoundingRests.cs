using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>What rounding has left of elements, in code steps: x/scale + zero − code.</summary>
internal static class RoundingRests
{
    /// <summary>Computes the rests of a group.</summary>
    /// <param name="x">Elements.</param>
    /// <param name="map">Their map.</param>
    /// <param name="codes">Their codes, at least as many.</param>
    /// <param name="rests">Receives the rests, at least as many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Compute(ReadOnlySpan<float> x, GroupMap map, ReadOnlySpan<byte> codes, Span<float> rests)
    {
        float inverse = 1 / map.Scale;
        ref float source = ref MemoryMarshal.GetReference(x);
        ref byte code = ref MemoryMarshal.GetReference(codes[..x.Length]);
        ref float target = ref MemoryMarshal.GetReference(rests[..x.Length]);
        var factor = Vector256.Create(inverse);
        var zero = Vector256.Create(map.Zero);
        int i = 0;
        for (; i <= x.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            var narrow = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref code, i))).AsByte();
            var (low, high) = Vector128.Widen(Vector128.WidenLower(narrow));
            var q = Vector256.ConvertToSingle(Vector256.Create(low, high).AsInt32());
            ((Vector256.LoadUnsafe(ref source, (nuint)i) * factor) + zero - q).StoreUnsafe(ref target, (nuint)i);
        }

        for (; i < x.Length; i++) Unsafe.Add(ref target, i) = (Unsafe.Add(ref source, i) * inverse) + map.Zero - Unsafe.Add(ref code, i);
    }

    /// <summary>Σ rest · mean, the same bits on every processor.</summary>
    public static double Dot(ReadOnlySpan<float> rests, ReadOnlySpan<float> means)
    {
        var sum = Vector256<float>.Zero;
        int i = 0;
        for (; i <= rests.Length - Vector256<float>.Count; i += Vector256<float>.Count) sum += Vector256.Create(rests[i..]) * Vector256.Create(means[i..]);
        double total = Lanes.Sum(sum);
        for (; i < rests.Length; i++) total += rests[i] * (double)means[i];
        return total;
    }
}
