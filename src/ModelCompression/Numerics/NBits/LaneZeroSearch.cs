using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ModelCompression.Numerics.Products;

namespace ModelCompression.Numerics.NBits;

/// <summary><see cref="MapSearch"/> for asymmetric groups, sixteen rows at a time: one group per lane.</summary>
/// <remarks>Regressions, refinements and, in short groups, cuts are those of <see cref="MapSearch"/>; sums are in binary32, so that of two maps that are equally good the other one may be chosen.</remarks>
internal static class LaneZeroSearch
{
    private const int Refinements = 2;

    /// <summary>Finds the scales and zero points of one block of sixteen rows.</summary>
    /// <param name="columns">Elements of the block, one or more vectors.</param>
    /// <param name="codes">Asymmetric codes whose zero points are codes.</param>
    /// <param name="zeros">The zero points.</param>
    public static Vector512<float> Find(ReadOnlySpan<Vector512<float>> columns, GroupCodes codes, out Vector512<float> zeros)
    {
        Vector512<float> scales = default, found = default;
        ref float first = ref Unsafe.As<Vector512<float>, float>(ref MemoryMarshal.GetReference(columns));
        ref float scale = ref Unsafe.As<Vector512<float>, float>(ref scales), zero = ref Unsafe.As<Vector512<float>, float>(ref found);
        if (Vector512.IsHardwareAccelerated)
        {
            Find<SixteenLanes>(ref first, columns.Length, codes, ref scale, ref zero);
        }
        else
        {
            Find<EightLanes>(ref first, columns.Length, codes, ref scale, ref zero);
            Find<EightLanes>(ref Unsafe.Add(ref first, EightLanes.Count), columns.Length, codes, ref Unsafe.Add(ref scale, EightLanes.Count), ref Unsafe.Add(ref zero, EightLanes.Count));
        }

        zeros = found;
        return scales;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Find<T>(ref float columns, int count, GroupCodes codes, ref float scales, ref float zeros) where T : struct, IVectorLanes<T>
    {
        var (max, min) = LaneSearch.Extremes<T>(ref columns, count);
        T none = T.Fill(0), high = T.Fill(codes.Highest), full = T.Divide(T.Subtract(max, min), high), centre = T.Multiply(T.Add(max, min), T.Fill(0.5f));
        T scale = full, zero = none, least = T.Fill(float.PositiveInfinity), start = full;
        float[] cuts = MapSearch.Cuts(count, codes.Bits, out float[] neighbours);
        foreach (float cut in cuts)
        {
            T before = least, tried = T.Multiply(full, T.Fill(cut));
            TryRange(ref columns, count, tried, centre, high, codes.Highest, ref scale, ref zero, ref least);
            start = T.IfGreater(before, least, tried, start);
        }

        foreach (float factor in neighbours) TryRange(ref columns, count, T.Multiply(start, T.Fill(factor)), centre, high, codes.Highest, ref scale, ref zero, ref least);

        var rounded = Clamp(T.Round(zero), none, high);
        var outer = Clamp(T.Round(T.Divide(T.Subtract(none, min), full)), none, high);
        least = T.Fill(float.PositiveInfinity);
        T best = full, bestZero = outer;
        Refine(ref columns, count, scale, rounded, high, ref best, ref bestZero, ref least);
        Refine(ref columns, count, full, outer, high, ref best, ref bestZero, ref least);
        var reach = T.Largest(max, T.Subtract(none, min));
        var vanishes = T.Fill(MapSearch.SmallestNormal * (1 << codes.Bits));
        T.IfGreater(vanishes, reach, T.Fill(GroupMap.AnyScale), best).Store(ref scales);
        T.IfGreater(vanishes, reach, none, bestZero).Store(ref zeros);
    }

    /// <summary>Tries a range about a centre with codes of the given scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TryRange<T>(ref float columns, int count, T scale, T centre, T high, int highest, ref T best, ref T bestZero, ref T least) where T : struct, IVectorLanes<T>
    {
        var zero = Clamp(T.Subtract(T.Fill(highest / 2f), T.Divide(centre, scale)), T.Fill(0), high);
        TryLine(Sums<T>.Of(ref columns, count, scale, zero, high), count, scale, zero, ref best, ref bestZero, ref least);
    }

    /// <summary>Takes the line through the codes of a map where it leaves less: the regression moves the value of code 0 by its offset and turns the line about the old zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TryLine<T>(Sums<T> sums, int count, T scale, T zero, ref T best, ref T bestZero, ref T least) where T : struct, IVectorLanes<T>
    {
        T none = T.Fill(0), share = T.Fill(1f / count), mean = T.Multiply(sums.Q, share), lift = T.Multiply(sums.E, share);
        var qq = T.Subtract(sums.QQ, T.Multiply(sums.Q, mean));
        var eq = T.Subtract(sums.EQ, T.Multiply(sums.E, mean));
        var ee = T.Subtract(sums.EE, T.Multiply(sums.E, lift));
        var step = T.IfGreater(qq, none, T.Divide(eq, qq), none);
        var noise = T.Largest(none, T.Subtract(ee, T.Multiply(step, eq)));
        var fitted = T.Add(scale, step);
        var moved = T.Subtract(zero, T.Divide(T.Subtract(lift, T.Multiply(step, mean)), fitted));
        bestZero = T.IfGreater(least, noise, IfUsable(fitted, moved, zero), bestZero);
        best = T.IfGreater(least, noise, IfUsable(fitted, fitted, scale), best);
        least = T.IfGreater(least, noise, noise, least);
    }

    /// <summary>Fits a scale to its codes a few times, zero point kept, and takes the best one met.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Refine<T>(ref float columns, int count, T scale, T zero, T high, ref T best, ref T bestZero, ref T least) where T : struct, IVectorLanes<T>
    {
        for (int i = 0; i <= Refinements; i++)
        {
            var sums = Sums<T>.Of(ref columns, count, scale, zero, high);
            best = T.IfGreater(least, sums.EE, scale, best);
            bestZero = T.IfGreater(least, sums.EE, zero, bestZero);
            least = T.IfGreater(least, sums.EE, sums.EE, least);
            var fitted = T.Add(scale, T.IfGreater(sums.QQ, T.Fill(0), T.Divide(sums.EQ, sums.QQ), T.Fill(0)));
            scale = IfUsable(fitted, fitted, scale);
        }
    }

    /// <summary>A value where a scale is a positive normal number, else another.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T IfUsable<T>(T scale, T value, T other) where T : struct, IVectorLanes<T> =>
        T.IfGreater(scale, T.Fill(MapSearch.SmallestNormal), T.IfGreater(T.Fill(float.MaxValue), scale, value, other), other);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Clamp<T>(T x, T low, T high) where T : struct, IVectorLanes<T> => T.Smallest(T.Largest(x, low), high);

    /// <summary><see cref="FitSums"/> of several rows.</summary>
    private readonly ref struct Sums<T>(T e, T ee, T q, T qq, T eq) where T : struct, IVectorLanes<T>
    {
        public readonly T E = e;
        public readonly T EE = ee;
        public readonly T Q = q;
        public readonly T QQ = qq;
        public readonly T EQ = eq;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Sums<T> Of(ref float columns, int count, T scale, T zero, T high)
        {
            T none = T.Fill(0), inverse = T.Divide(T.Fill(1), scale), minus = T.Subtract(none, scale);
            T e = none, ee = none, q = none, qq = none, eq = none;
            ref float at = ref columns;
            for (int left = count; left > 0; left--)
            {
                var x = T.Load(ref at);
                at = ref Unsafe.Add(ref at, LaneTile.Lanes);
                var code = T.Subtract(Clamp(T.Round(T.MultiplyAdd(x, inverse, zero)), none, high), zero);
                var error = T.MultiplyAdd(code, minus, x);
                e = T.Add(e, error);
                ee = T.MultiplyAdd(error, error, ee);
                q = T.Add(q, code);
                qq = T.MultiplyAdd(code, code, qq);
                eq = T.MultiplyAdd(error, code, eq);
            }

            return new(e, ee, q, qq, eq);
        }
    }
}
