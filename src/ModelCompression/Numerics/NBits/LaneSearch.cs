using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ModelCompression.Numerics.Products;

namespace ModelCompression.Numerics.NBits;

/// <summary><see cref="MapSearch"/> for symmetric groups, sixteen rows at a time: one group per lane.</summary>
/// <remarks>
/// Σ (x − q·s)² with the best s for given q is Σ x² − (Σ x·q)²/Σ q², so the cut with the largest (Σ x·q)²/Σ q² wins. Refinements, the choice among cuts and, in short groups, the cuts are those of
/// <see cref="MapSearch"/>; sums are in binary32, so that of two cuts that are equally good the other one may be chosen.
/// </remarks>
internal static class LaneSearch
{
    private const int Refinements = 2;

    /// <summary>Finds the scales of one block of sixteen rows.</summary>
    /// <param name="columns">Elements of the block, one or more vectors.</param>
    /// <param name="codes">Symmetric codes.</param>
    public static Vector512<float> Find(ReadOnlySpan<Vector512<float>> columns, GroupCodes codes)
    {
        var scales = Vector512<float>.Zero;
        ref float first = ref Unsafe.As<Vector512<float>, float>(ref MemoryMarshal.GetReference(columns)), found = ref Unsafe.As<Vector512<float>, float>(ref scales);
        if (Vector512.IsHardwareAccelerated)
        {
            Find<SixteenLanes>(ref first, columns.Length, codes).Store(ref found);
        }
        else
        {
            // Half the rows after the other: the sums of all sixteen would not fit into the registers.
            Find<EightLanes>(ref first, columns.Length, codes).Store(ref found);
            Find<EightLanes>(ref Unsafe.Add(ref first, EightLanes.Count), columns.Length, codes).Store(ref Unsafe.Add(ref found, EightLanes.Count));
        }

        return scales;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static T Find<T>(ref float columns, int count, GroupCodes codes) where T : struct, IVectorLanes<T>
    {
        var (max, min) = Extremes<T>(ref columns, count);
        var below = T.Subtract(T.Fill(0), min);
        var full = T.Divide(T.IfGreater(max, below, max, min), T.Fill(-(float)codes.Middle));
        T best = full, most = T.Fill(-1), start = full;
        float[] cuts = MapSearch.Cuts(count, codes.Bits, out float[] neighbours);
        foreach (float cut in cuts)
        {
            T before = most, tried = T.Multiply(full, T.Fill(cut));
            Try(ref columns, count, tried, codes.Middle, ref best, ref most);
            start = T.IfGreater(most, before, tried, start);
        }

        foreach (float factor in neighbours) Try(ref columns, count, T.Multiply(start, T.Fill(factor)), codes.Middle, ref best, ref most);
        for (int i = 0; i < Refinements; i++) Try(ref columns, count, best, codes.Middle, ref best, ref most);
        return T.IfGreater(T.Fill(MapSearch.SmallestNormal * (1 << codes.Bits)), T.Largest(max, below), T.Fill(GroupMap.AnyScale), best);
    }

    /// <summary>The largest and the smallest element of a block, or 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (T Max, T Min) Extremes<T>(ref float columns, int count) where T : struct, IVectorLanes<T>
    {
        T max = T.Fill(0), min = max;
        for (int k = 0; k < count; k++)
        {
            var x = T.Load(ref Unsafe.Add(ref columns, k * LaneTile.Lanes));
            (max, min) = (T.Largest(max, x), T.Smallest(min, x));
        }

        return (max, min);
    }

    /// <summary>Rounds with a scale, fits the scale to the codes, and takes it where it explains more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Try<T>(ref float columns, int count, T scale, int middle, ref T best, ref T most) where T : struct, IVectorLanes<T>
    {
        var inverse = T.Divide(T.Fill(1), scale);
        T low = T.Fill(-(float)middle), high = T.Fill(middle - 1f);
        T product0 = T.Fill(0), square0 = product0, product1 = product0, square1 = product0;
        ref float at = ref columns;
        for (int pairs = count / 2; pairs > 0; pairs--)
        {
            T a = T.Load(ref at), b = T.Load(ref Unsafe.Add(ref at, LaneTile.Lanes));
            at = ref Unsafe.Add(ref at, 2 * LaneTile.Lanes);
            var q0 = T.Smallest(T.Largest(T.Round(T.Multiply(a, inverse)), low), high);
            var q1 = T.Smallest(T.Largest(T.Round(T.Multiply(b, inverse)), low), high);
            product0 = T.MultiplyAdd(a, q0, product0);
            square0 = T.MultiplyAdd(q0, q0, square0);
            product1 = T.MultiplyAdd(b, q1, product1);
            square1 = T.MultiplyAdd(q1, q1, square1);
        }

        if (count % 2 != 0)
        {
            var a = T.Load(ref at);
            var q = T.Smallest(T.Largest(T.Round(T.Multiply(a, inverse)), low), high);
            product0 = T.MultiplyAdd(a, q, product0);
            square0 = T.MultiplyAdd(q, q, square0);
        }

        var product = T.Add(product0, product1);
        var fitted = T.Divide(product, T.Add(square0, square1));
        T explained = T.Multiply(product, fitted), change = T.Multiply(fitted, inverse), none = T.Fill(float.NegativeInfinity);
        // A scale that changes its sign, overflows or vanishes is no better one; NaN fails every comparison.
        var usable = T.IfGreater(change, T.Fill(0.25f), T.IfGreater(T.Fill(4), change, explained, none), none);
        best = T.IfGreater(usable, most, fitted, best);
        most = T.IfGreater(usable, most, usable, most);
    }
}
