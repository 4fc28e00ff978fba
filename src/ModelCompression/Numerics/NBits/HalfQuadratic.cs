using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>Moves a map so that most elements fit well and few outliers badly, instead of all moderately.</summary>
/// <remarks>
/// Minimises Σ |r|^p, r = x/s + z − code, p = ½, by half-quadratic splitting: e = shrink(r, β) = sign(r)·max(0, |r| − |r|^(p − 1)·p/β) takes the outliers' errors out, then the zero
/// point follows in closed form, z ← z − mean(r − e), or for a fixed zero point the scale, s ← s + s·Σ (r − e)·q / Σ q²; β grows by κ each time (Badri and Shaji, "Half-quadratic
/// quantization of large machine learning models", 2023). Unlike there, the range has been cut to the least squared error first, r counts in code steps so that β suits
/// weights of any size, p = ½ needs a square root instead of a power, and a step counts only if it lowers Σ |r| of the real error.
/// </remarks>
internal static class HalfQuadratic
{
    private const int Iterations = 20;
    private const float FirstBeta = 4;
    private const float Growth = 1.1f;

    /// <summary>Improves a map.</summary>
    /// <param name="x">Elements.</param>
    /// <param name="map">A good map.</param>
    /// <param name="codes">Codes and scheme.</param>
    public static GroupMap Improve(ReadOnlySpan<float> x, GroupMap map, GroupCodes codes)
    {
        if (codes.Kind == GroupCodeKind.PowerOfTwo || x.IsEmpty) return map;
        var best = map;
        double least = double.PositiveInfinity, most = 0;
        float beta = FirstBeta;
        for (int i = 0; i < Iterations; i++, beta *= Growth)
        {
            var sums = Sum(x, map, codes.Highest, beta);
            double error = sums.Magnitude * Math.Abs(map.Scale), noise = sums.Noise * map.Scale * map.Scale;
            if (i == 0) most = noise;
            // Fewer large errors at the price of more squared error in all would cost a layer's output more than it gains.
            if (error >= least || noise > most) break;
            (best, least) = (map, error);
            map = Next(map, sums, x.Length, codes);
            if (map == best || !float.IsNormal(map.Scale)) break;
        }

        return best;
    }

    private static GroupMap Next(GroupMap map, Sums sums, int count, GroupCodes codes)
    {
        if (codes.Kind == GroupCodeKind.Symmetric)
            return sums.Square > 0 ? map with { Scale = (float)(map.Scale + (map.Scale * sums.Product / sums.Square)) } : map;
        double zero = Math.Round((map.Zero - (sums.Rest / count)) * codes.ZeroSteps, MidpointRounding.ToEven) / codes.ZeroSteps;
        return map with { Zero = (float)Math.Clamp(zero, 0, codes.Highest) };
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static Sums Sum(ReadOnlySpan<float> x, GroupMap map, int highest, float beta)
    {
        var inverse = Vector256.Create(1 / map.Scale);
        var zero = Vector256.Create(map.Zero);
        var high = Vector256.Create((float)highest);
        var threshold = Vector256.Create(0.5f / beta);
        Vector256<float> rest = default, product = default, square = default, magnitude = default, noise = default;
        foreach (var v in MemoryMarshal.Cast<float, Vector256<float>>(x))
        {
            var exact = (v * inverse) + zero;
            var code = Vector256.MinNative(Vector256.MaxNative(Vector256.Round(exact), Vector256<float>.Zero), high);
            var r = exact - code;
            var size = Vector256.Abs(r);
            // r − e: all of a small error, of a large one what shrinking takes away. 0/√0 is not used: the smaller of the two is taken.
            var kept = Vector256.MinNative(threshold / Vector256.Sqrt(size), size);
            var signed = Vector256.CopySign(kept, r);
            var q = code - zero;
            rest += signed;
            product += signed * q;
            square += q * q;
            magnitude += size;
            noise += r * r;
        }

        var sums = new Sums(Lanes.Sum(rest), Lanes.Sum(product), Lanes.Sum(square), Lanes.Sum(magnitude), Lanes.Sum(noise));
        foreach (float element in x[(x.Length / Vector256<float>.Count * Vector256<float>.Count)..]) sums += One(element, map, highest, beta);
        return sums;
    }

    private static Sums One(float x, GroupMap map, int highest, float beta)
    {
        float exact = (x * (1 / map.Scale)) + map.Zero, code = Math.Clamp(MathF.Round(exact), 0, highest), r = exact - code;
        float kept = MathF.CopySign(Math.Min(0.5f / beta / MathF.Sqrt(Math.Abs(r)), Math.Abs(r)), r);
        return new(kept, kept * (code - map.Zero), (code - map.Zero) * (code - map.Zero), Math.Abs(r), r * (double)r);
    }

    private readonly record struct Sums(double Rest, double Product, double Square, double Magnitude, double Noise)
    {
        public static Sums operator +(Sums a, Sums b) => new(a.Rest + b.Rest, a.Product + b.Product, a.Square + b.Square, a.Magnitude + b.Magnitude, a.Noise + b.Noise);
    }
}
