using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics;

/// <summary>The binary32 numbers between two bounds, these not included.</summary>
internal readonly struct OpenInterval
{
    private readonly float low;
    private readonly float high;

    /// <summary>Makes an interval; bounds may be infinite.</summary>
    public OpenInterval(double low, double high)
    {
        // The same numbers lie between the nearest floats on the outer side.
        (this.low, this.high) = ((float)low, (float)high);
        if (this.low > low) this.low = MathF.BitDecrement(this.low);
        if (this.high < high) this.high = MathF.BitIncrement(this.high);
    }

    /// <summary>True if a number lies inside; NaN never does.</summary>
    public bool Contains(float x) => x > low && x < high;

    /// <summary>How many elements lie inside.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public int Count(ReadOnlySpan<float> elements)
    {
        var vectors = MemoryMarshal.Cast<float, Vector256<float>>(elements);
        Vector256<float> least = Vector256.Create(low), most = Vector256.Create(high);
        var counts = Vector256<int>.Zero;
        foreach (var x in vectors) counts -= (Vector256.GreaterThan(x, least) & Vector256.LessThan(x, most)).AsInt32();
        int count = Vector256.Sum(counts);
        foreach (float x in elements[(vectors.Length * Vector256<float>.Count)..])
            if (Contains(x)) count++;
        return count;
    }
}
