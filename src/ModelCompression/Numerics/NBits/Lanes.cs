using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>Sums over the lanes of vectors in a fixed order and in binary64, so that results do not depend on the processor.</summary>
internal static class Lanes
{
    /// <summary>Sum of the eight lanes; the first addition is in binary32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Sum(Vector256<float> lanes)
    {
        var half = lanes.GetLower() + lanes.GetUpper();
        return ((double)half[0] + half[1]) + ((double)half[2] + half[3]);
    }

    /// <summary>Sum of the four lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Sum(Vector256<double> lanes) => (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);

    /// <summary>Σ x² in binary64: not finite when an element is not.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Energy(ReadOnlySpan<float> x)
    {
        var sum = Vector256<double>.Zero;
        foreach (var v in MemoryMarshal.Cast<float, Vector256<float>>(x))
        {
            (var low, var high) = Vector256.Widen(v);
            sum += (low * low) + (high * high);
        }

        double total = Sum(sum);
        foreach (float element in x[(x.Length / Vector256<float>.Count * Vector256<float>.Count)..]) total += (double)element * element;
        return total;
    }
}
