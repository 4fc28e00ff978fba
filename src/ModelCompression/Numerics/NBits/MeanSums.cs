using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>What rounding a group to nearest does to the output for the mean input m: with q = code − zero and e = x − q·scale.</summary>
/// <param name="Error">Σ e·m.</param>
/// <param name="Reach">Σ q·m: what a change of the scale by 1 does to it.</param>
/// <param name="Cost">Σ q²: what the square of a change of the scale adds to Σ e².</param>
internal readonly record struct MeanSums(double Error, double Reach, double Cost)
{
    /// <summary>Rounds all elements of a group without keeping the codes.</summary>
    /// <param name="x">Elements.</param>
    /// <param name="means">m, as many.</param>
    /// <param name="map">Map.</param>
    /// <param name="highest">The highest code.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static MeanSums Of(ReadOnlySpan<float> x, ReadOnlySpan<float> means, GroupMap map, int highest)
    {
        var scale = Vector256.Create(map.Scale);
        var inverse = Vector256.Create(1 / map.Scale);
        var zero = Vector256.Create(map.Zero);
        var high = Vector256.Create((float)highest);
        var xs = MemoryMarshal.Cast<float, Vector256<float>>(x);
        var ms = MemoryMarshal.Cast<float, Vector256<float>>(means);
        Vector256<float> error = default, reach = default, cost = default;
        for (int i = 0; i < xs.Length; i++)
        {
            var code = Vector256.MinNative(Vector256.MaxNative(Vector256.Round((xs[i] * inverse) + zero), Vector256<float>.Zero), high) - zero;
            error += (xs[i] - (code * scale)) * ms[i];
            reach += code * ms[i];
            cost += code * code;
        }

        var sums = new MeanSums(Lanes.Sum(error), Lanes.Sum(reach), Lanes.Sum(cost));
        for (int i = xs.Length * Vector256<float>.Count; i < x.Length; i++)
        {
            float code = Math.Clamp(MathF.Round((x[i] * (1 / map.Scale)) + map.Zero), 0f, highest) - map.Zero;
            sums += new MeanSums((x[i] - (code * map.Scale)) * (double)means[i], code * (double)means[i], code * (double)code);
        }

        return sums;
    }

    /// <summary>Adds.</summary>
    public static MeanSums operator +(MeanSums a, MeanSums b) => new(a.Error + b.Error, a.Reach + b.Reach, a.Cost + b.Cost);
}
