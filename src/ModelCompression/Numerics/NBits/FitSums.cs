using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>What rounding with one map leaves, and what is needed to move the map to the least squares of the codes found: with q = code − zero and e = x − q·scale.</summary>
/// <remarks>Sums of residuals instead of elements keep small differences between maps exact in binary32.</remarks>
internal readonly record struct FitSums(double E, double EE, double Q, double QQ, double EQ)
{
    /// <summary>Elements after which partial sums move to binary64.</summary>
    private const int Chunk = 1 << 12;

    /// <summary>Rounds all elements of a group without keeping the codes.</summary>
    public static FitSums Of(ReadOnlySpan<float> x, GroupMap map, int highest)
    {
        var total = default(FitSums);
        for (int start = 0; start < x.Length; start += Chunk) total += OfChunk(x.Slice(start, Math.Min(Chunk, x.Length - start)), map, highest);
        return total;
    }

    /// <summary>Σ e² after the scale has moved by <see cref="ScaleStep"/>.</summary>
    public double NoiseAfterScaleStep => QQ > 0 ? Math.Max(0, EE - (EQ * EQ / QQ)) : EE;

    /// <summary>The change of the scale that fits the codes best, zero point kept.</summary>
    public double ScaleStep => QQ > 0 ? EQ / QQ : 0;

    /// <summary>The changes of scale and of the value of code 0 that together fit the codes best, and Σ e² after both.</summary>
    /// <param name="count">Elements summed.</param>
    public (double Scale, double Offset, double Noise) Regression(int count)
    {
        double qq = QQ - (Q * Q / count), eq = EQ - (E * Q / count), ee = EE - (E * E / count);
        if (qq <= 0) return (0, E / count, Math.Max(0, ee));
        double scale = eq / qq;
        return (scale, (E - (scale * Q)) / count, Math.Max(0, ee - (eq * eq / qq)));
    }

    /// <summary>Adds.</summary>
    public static FitSums operator +(FitSums a, FitSums b) => new(a.E + b.E, a.EE + b.EE, a.Q + b.Q, a.QQ + b.QQ, a.EQ + b.EQ);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static FitSums OfChunk(ReadOnlySpan<float> x, GroupMap map, int highest)
    {
        var scale = Vector256.Create(map.Scale);
        var inverse = Vector256.Create(1 / map.Scale);
        var zero = Vector256.Create(map.Zero);
        var high = Vector256.Create((float)highest);
        Vector256<float> e = default, ee = default, q = default, qq = default, eq = default;
        foreach (var v in MemoryMarshal.Cast<float, Vector256<float>>(x))
        {
            var code = Vector256.MinNative(Vector256.MaxNative(Vector256.Round((v * inverse) + zero), Vector256<float>.Zero), high) - zero;
            var error = v - (code * scale);
            e += error;
            ee += error * error;
            q += code;
            qq += code * code;
            eq += error * code;
        }

        var sums = new FitSums(Lanes.Sum(e), Lanes.Sum(ee), Lanes.Sum(q), Lanes.Sum(qq), Lanes.Sum(eq));
        for (int i = x.Length / Vector256<float>.Count * Vector256<float>.Count; i < x.Length; i++)
        {
            double code = Math.Clamp(MathF.Round((x[i] * (1 / map.Scale)) + map.Zero), 0f, highest) - map.Zero;
            double error = x[i] - (code * map.Scale);
            sums += new FitSums(error, error * error, code, code * code, error * code);
        }

        return sums;
    }
}
