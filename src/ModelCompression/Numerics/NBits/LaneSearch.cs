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
        for (int i = 0; i < cuts.Length; i += 2)
        {
            T one = T.Multiply(full, T.Fill(cuts[i])), other = T.Multiply(full, T.Fill(cuts[Math.Min(i + 1, cuts.Length - 1)])), before = most;
            var found = Both(ref columns, count, one, other, codes.Middle);
            Take(found.One, one, ref best, ref most);
            start = T.IfGreater(most, before, one, start);
            before = most;
            // Without another one the last is seen twice, and is no better than itself.
            Take(found.Other, other, ref best, ref most);
            start = T.IfGreater(most, before, other, start);
        }

        for (int i = 0; i < neighbours.Length; i += 2)
        {
            T one = T.Multiply(start, T.Fill(neighbours[i])), other = T.Multiply(start, T.Fill(neighbours[i + 1]));
            var found = Both(ref columns, count, one, other, codes.Middle);
            Take(found.One, one, ref best, ref most);
            Take(found.Other, other, ref best, ref most);
        }

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
        Sums<T> even = default, odd = default;
        ref float at = ref columns;
        for (int pairs = count / 2; pairs > 0; pairs--)
        {
            T a = T.Load(ref at), b = T.Load(ref Unsafe.Add(ref at, LaneTile.Lanes));
            at = ref Unsafe.Add(ref at, 2 * LaneTile.Lanes);
            even.Add(a, inverse, low, high);
            odd.Add(b, inverse, low, high);
        }

        if (count % 2 != 0) even.Add(T.Load(ref at), inverse, low, high);
        Take(even.With(odd), scale, ref best, ref most);
    }

    /// <summary>
    /// Rounds with two scales. A sum waits four clock ticks for its last addition: the sums of one scale would leave the processor idle for half of the time.
    /// They are added up in the order of <see cref="Try"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Sums<T> One, Sums<T> Other) Both<T>(ref float columns, int count, T one, T other, int middle) where T : struct, IVectorLanes<T>
    {
        T inverse = T.Divide(T.Fill(1), one), otherInverse = T.Divide(T.Fill(1), other), low = T.Fill(-(float)middle), high = T.Fill(middle - 1f);
        Sums<T> even = default, odd = default, otherEven = default, otherOdd = default;
        ref float at = ref columns;
        for (int pairs = count / 2; pairs > 0; pairs--)
        {
            var a = T.Load(ref at);
            even.Add(a, inverse, low, high);
            otherEven.Add(a, otherInverse, low, high);
            var b = T.Load(ref Unsafe.Add(ref at, LaneTile.Lanes));
            odd.Add(b, inverse, low, high);
            otherOdd.Add(b, otherInverse, low, high);
            at = ref Unsafe.Add(ref at, 2 * LaneTile.Lanes);
        }

        if (count % 2 != 0)
        {
            var a = T.Load(ref at);
            even.Add(a, inverse, low, high);
            otherEven.Add(a, otherInverse, low, high);
        }

        return (even.With(odd), otherEven.With(otherOdd));
    }

    /// <summary>Takes the scale that fits the codes best where it explains more than any before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Take<T>(Sums<T> sums, T scale, ref T best, ref T most) where T : struct, IVectorLanes<T>
    {
        var fitted = T.Divide(sums.Product, sums.Square);
        T explained = T.Multiply(sums.Product, fitted), change = T.Multiply(fitted, T.Divide(T.Fill(1), scale)), none = T.Fill(float.NegativeInfinity);
        // A scale that changes its sign, overflows or vanishes is no better one; NaN fails every comparison.
        var usable = T.IfGreater(change, T.Fill(0.25f), T.IfGreater(T.Fill(4), change, explained, none), none);
        best = T.IfGreater(usable, most, fitted, best);
        most = T.IfGreater(usable, most, usable, most);
    }

    /// <summary>Σ x·q and Σ q² of codes q.</summary>
    private struct Sums<T> where T : struct, IVectorLanes<T>
    {
        public T Product;
        public T Square;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(T x, T inverse, T low, T high)
        {
            var q = T.Smallest(T.Largest(T.Round(T.Multiply(x, inverse)), low), high);
            Product = T.MultiplyAdd(x, q, Product);
            Square = T.MultiplyAdd(q, q, Square);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly Sums<T> With(Sums<T> other) => new() { Product = T.Add(Product, other.Product), Square = T.Add(Square, other.Square) };
    }
}
