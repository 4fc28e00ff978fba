using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary><see cref="MapSearch"/> for short symmetric groups, sixteen rows at a time: one group per lane.</summary>
/// <remarks>
/// Σ (x − q·s)² with the best s for given q is Σ x² − (Σ x·q)²/Σ q², so the cut with the largest (Σ x·q)²/Σ q² wins. Cuts, refinements and the choice among them are those of
/// <see cref="MapSearch"/>; sums are in binary32, so that of two cuts that are equally good the other one may be chosen.
/// </remarks>
internal static class LaneSearch
{
    private const int Refinements = 2;

    /// <summary>True for groups that it can search.</summary>
    public static bool Applies(WeightGrid grid, GroupCodes codes) =>
        codes.Kind == GroupCodeKind.Symmetric && grid.RowsPerScale == 1 && grid.BlockLength <= MapSearch.ShortLength;

    /// <summary>Finds the scales of one block of sixteen rows.</summary>
    /// <param name="columns">Elements of the block, 1…64 vectors.</param>
    /// <param name="codes">Symmetric codes.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector512<float> Find(ReadOnlySpan<Vector512<float>> columns, GroupCodes codes)
    {
        Vector512<float> max = Vector512<float>.Zero, min = Vector512<float>.Zero;
        foreach (var v in columns) (max, min) = (Vector512.MaxNative(max, v), Vector512.MinNative(min, v));
        var full = Vector512.ConditionalSelect(Vector512.GreaterThan(max, -min), max, min) / Vector512.Create(-(float)codes.Middle);
        Vector512<float> best = full, most = Vector512.Create(-1f);
        foreach (float cut in MapSearch.Cuts(columns.Length, codes.Bits)) Try(columns, full * Vector512.Create(cut), codes.Middle, ref best, ref most);
        for (int i = 0; i < Refinements; i++) Try(columns, best, codes.Middle, ref best, ref most);
        var vanishes = Vector512.LessThan(Vector512.MaxNative(max, -min), Vector512.Create(MapSearch.SmallestNormal * (1 << codes.Bits)));
        return Vector512.ConditionalSelect(vanishes, Vector512.Create(GroupMap.AnyScale), best);
    }

    /// <summary>Rounds with a scale, fits the scale to the codes, and takes it where it explains more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Try(ReadOnlySpan<Vector512<float>> columns, Vector512<float> scale, int middle, ref Vector512<float> best, ref Vector512<float> most)
    {
        var inverse = Vector512<float>.One / scale;
        Vector512<float> low = Vector512.Create(-(float)middle), high = Vector512.Create(middle - 1f);
        Vector512<float> product0 = default, square0 = default, product1 = default, square1 = default;
        int k = 0;
        for (; k <= columns.Length - 2; k += 2)
        {
            var (a, b) = (columns[k], columns[k + 1]);
            var q0 = Vector512.MinNative(Vector512.MaxNative(Vector512.Round(a * inverse), low), high);
            var q1 = Vector512.MinNative(Vector512.MaxNative(Vector512.Round(b * inverse), low), high);
            product0 = Vector512.FusedMultiplyAdd(a, q0, product0);
            square0 = Vector512.FusedMultiplyAdd(q0, q0, square0);
            product1 = Vector512.FusedMultiplyAdd(b, q1, product1);
            square1 = Vector512.FusedMultiplyAdd(q1, q1, square1);
        }

        if (k < columns.Length)
        {
            var q = Vector512.MinNative(Vector512.MaxNative(Vector512.Round(columns[k] * inverse), low), high);
            product0 = Vector512.FusedMultiplyAdd(columns[k], q, product0);
            square0 = Vector512.FusedMultiplyAdd(q, q, square0);
        }

        var product = product0 + product1;
        var fitted = product / (square0 + square1);
        var explained = product * fitted;
        // A scale that changes its sign, overflows or vanishes is no better one; NaN fails every comparison.
        var usable = Vector512.GreaterThan(fitted * inverse, Vector512.Create(0.25f)) & Vector512.GreaterThan(Vector512.Create(4f), fitted * inverse);
        var better = Vector512.GreaterThan(explained, most) & usable;
        best = Vector512.ConditionalSelect(better, fitted, best);
        most = Vector512.ConditionalSelect(better, explained, most);
    }
}
