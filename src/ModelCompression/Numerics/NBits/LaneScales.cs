using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>Scales that are multiples of their row's step, of sixteen rows at a time, one per lane.</summary>
internal static class LaneScales
{
    /// <summary>Most scales of a row that are changed for its output.</summary>
    private const int MostChanges = 6;

    /// <summary>Replaces wanted scales by the nearest multiples of the rows' steps; returns the steps.</summary>
    /// <param name="scales">One vector per block: the wanted scales, then multiples of −most…most without 0.</param>
    /// <param name="most">The multiple of a row's largest scale.</param>
    public static Vector512<float> ToMultiples(Span<Vector512<float>> scales, int most)
    {
        var largest = Vector512<float>.Zero;
        foreach (var scale in scales) largest = Vector512.MaxNative(largest, Vector512.Abs(scale));
        // A row of zeros.
        var steps = Vector512.ConditionalSelect(Vector512.Equals(largest, Vector512.Create(GroupMap.AnyScale)), Vector512<float>.One, largest / Vector512.Create((float)most));
        foreach (ref var scale in scales)
        {
            var multiple = Vector512.MinNative(Vector512.MaxNative(Vector512.Round(Vector512.Abs(scale) / steps), Vector512<float>.One), Vector512.Create((float)most));
            scale = Vector512.CopySign(multiple, scale);
        }

        return steps;
    }

    /// <summary>Σ (x − x̂)·m per row with other scales and the same codes.</summary>
    /// <param name="shift">The same with the scales that the codes were found with.</param>
    /// <param name="reaches">Per block: Σ q·m.</param>
    /// <param name="found">Per block: the scales that the codes were found with.</param>
    /// <param name="others">Per block: the other scales, in units of <paramref name="unit"/>.</param>
    /// <param name="unit">Their unit.</param>
    public static Vector512<float> ShiftWith(Vector512<float> shift, ReadOnlySpan<Vector512<float>> reaches, ReadOnlySpan<Vector512<float>> found, ReadOnlySpan<Vector512<float>> others, Vector512<float> unit)
    {
        for (int b = 0; b < found.Length; b++) shift -= ((others[b] * unit) - found[b]) * reaches[b];
        return shift;
    }

    /// <summary>
    /// Lets some scales of a row take the next multiple while its codes stay, so that it keeps its output for the mean input: first the one that leaves least of v·Σ e² + (Σ e·m)².
    /// </summary>
    /// <param name="multiples">One vector per block; some change by 1.</param>
    /// <param name="steps">Their units.</param>
    /// <param name="error">Σ (x − x̂)·m per row.</param>
    /// <param name="sums">Per block: Σ q·m, then Σ q².</param>
    /// <param name="variance">v.</param>
    /// <param name="most">The largest multiple.</param>
    /// <returns>What is left of <paramref name="error"/>.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector512<float> KeepOutput(Span<Vector512<float>> multiples, Vector512<float> steps, Vector512<float> error, ReadOnlySpan<Vector512<float>> sums, float variance, int most)
    {
        var unit = steps * steps * Vector512.Create(variance);
        for (int change = 0; change < MostChanges; change++)
        {
            Vector512<float> best = Vector512.Create(-1f), effect = default, least = error * error, size = Vector512.Abs(error);
            for (int b = 0; b < multiples.Length; b++)
            {
                var reach = steps * sums[b];
                // What is left of the error when the change goes in the direction that lowers it.
                var left = size - Vector512.Abs(reach);
                var all = Vector512.FusedMultiplyAdd(left, left, unit * sums[multiples.Length + b]);
                var multiple = Vector512.Abs(multiples[b] + Direction(error, reach));
                var better = Vector512.LessThan(all, least) & Vector512.GreaterThan(multiple, Vector512<float>.Zero) & Vector512.LessThanOrEqual(multiple, Vector512.Create((float)most));
                best = Vector512.ConditionalSelect(better, Vector512.Create((float)b), best);
                effect = Vector512.ConditionalSelect(better, reach, effect);
                least = Vector512.ConditionalSelect(better, all, least);
            }

            if (Vector512.LessThanAll(best, Vector512<float>.Zero)) break;
            var direction = Direction(error, effect);
            error -= direction * effect;
            Add(multiples, best, direction);
        }

        return error;
    }

    /// <summary>1 where both have the same sign, else −1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Direction(Vector512<float> error, Vector512<float> reach) => Vector512.CopySign(Vector512<float>.One, error ^ reach);

    private static void Add(Span<Vector512<float>> multiples, Vector512<float> blocks, Vector512<float> direction)
    {
        var lanes = MemoryMarshal.Cast<Vector512<float>, float>(multiples);
        for (int lane = 0; lane < Vector512<float>.Count; lane++)
            if (blocks[lane] >= 0) lanes[((int)blocks[lane] * Vector512<float>.Count) + lane] += direction[lane];
    }
}
