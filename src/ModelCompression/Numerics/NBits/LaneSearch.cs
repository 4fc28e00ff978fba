using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary><see cref="MapSearch"/> for short symmetric groups, eight rows at a time: one group per lane, so that no sum runs across lanes.</summary>
/// <remarks>
/// Σ (x − q·s)² with the best s for given q is Σ x² − (Σ x·q)²/Σ q², so the cut with the largest (Σ x·q)²/Σ q² wins. Cuts, refinements and the choice among them are those of
/// <see cref="MapSearch"/>; sums are in binary32, so that of two cuts that are equally good the other one may be chosen.
/// </remarks>
internal static class LaneSearch
{
    /// <summary>Rows searched together.</summary>
    public const int Lanes = 8;

    private const int Refinements = 2;

    /// <summary>True for groups that it can search.</summary>
    public static bool Applies(WeightGrid grid, GroupCodes codes) =>
        codes.Kind == GroupCodeKind.Symmetric && grid.RowsPerScale == 1 && grid.BlockLength <= MapSearch.ShortLength;

    /// <summary>Finds the maps of one block of eight rows.</summary>
    /// <param name="x">Finite elements, from the block's first one in the first row on.</param>
    /// <param name="stride">Elements from row to row.</param>
    /// <param name="length">Elements of the block, 1…64.</param>
    /// <param name="codes">Symmetric codes.</param>
    /// <param name="maps">Receives the maps.</param>
    /// <param name="mapStride">Maps from row to row.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Find(ReadOnlySpan<float> x, int stride, int length, GroupCodes codes, Span<GroupMap> maps, int mapStride)
    {
        Span<Vector256<float>> columns = stackalloc Vector256<float>[MapSearch.ShortLength];
        columns = columns[..length];
        Vector256<float> max = Vector256<float>.Zero, min = Vector256<float>.Zero;
        for (int k = 0; k < columns.Length; k++)
        {
            var v = Vector256.Create(x[k], x[k + stride], x[k + (2 * stride)], x[k + (3 * stride)], x[k + (4 * stride)], x[k + (5 * stride)], x[k + (6 * stride)], x[k + (7 * stride)]);
            (columns[k], max, min) = (v, Vector256.MaxNative(max, v), Vector256.MinNative(min, v));
        }

        var full = Vector256.ConditionalSelect(Vector256.GreaterThan(max, -min), max, min) / Vector256.Create(-(float)codes.Middle);
        Vector256<float> best = full, most = Vector256.Create(-1f);
        foreach (float cut in MapSearch.Cuts(length, codes.Bits)) Try(columns, full * Vector256.Create(cut), codes.Middle, ref best, ref most);
        for (int i = 0; i < Refinements; i++) Try(columns, best, codes.Middle, ref best, ref most);
        for (int lane = 0; lane < Lanes; lane++)
        {
            bool vanishes = Math.Max(max[lane], -min[lane]) < MapSearch.SmallestNormal * (1 << codes.Bits);
            maps[lane * mapStride] = new(vanishes ? 1 : best[lane], codes.Middle);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Try(ReadOnlySpan<Vector256<float>> columns, Vector256<float> scale, int middle, ref Vector256<float> best, ref Vector256<float> most)
    {
        var inverse = Vector256<float>.One / scale;
        Vector256<float> low = Vector256.Create(-(float)middle), high = Vector256.Create(middle - 1f), product = default, square = default;
        foreach (var v in columns)
        {
            var q = Vector256.MinNative(Vector256.MaxNative(Vector256.Round(v * inverse), low), high);
            product += v * q;
            square += q * q;
        }

        var fitted = product / square;
        var explained = product * fitted;
        // A scale that changes its sign, overflows or vanishes is no better one; NaN fails every comparison.
        var usable = Vector256.GreaterThan(fitted * inverse, Vector256.Create(0.25f)) & Vector256.GreaterThan(Vector256.Create(4f), fitted * inverse);
        var better = Vector256.GreaterThan(explained, most) & usable;
        best = Vector256.ConditionalSelect(better, fitted, best);
        most = Vector256.ConditionalSelect(better, explained, most);
    }
}
