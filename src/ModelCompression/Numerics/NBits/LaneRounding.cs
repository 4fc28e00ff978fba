using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary><see cref="GroupRounding"/> and <see cref="MeanFit"/> for sixteen rows at a time, one per lane.</summary>
internal static class LaneRounding
{
    private const float LargestStep = 1f / 16;
    private const int FactorSteps = 8;

    /// <summary>Factors of long blocks: others are taken through more elements, and gain little more.</summary>
    private const int LongFactorSteps = 2;

    /// <summary>Codes that a lane of a byte counts.</summary>
    private const int MostCounted = byte.MaxValue;

    /// <summary>Pairs of such counts that 16 bits hold the sum of.</summary>
    private const int MostParts = ushort.MaxValue / (2 * MostCounted);

    /// <summary>Scales with which rows keep their outputs for the mean input while their codes stay: <see cref="MeanFit"/>, once.</summary>
    /// <param name="shift">What rounding does to the outputs (<see cref="Shift"/>).</param>
    /// <param name="sums">As <see cref="Shift"/> leaves them.</param>
    /// <param name="variance">Variance of an input.</param>
    /// <param name="scales">One vector per block.</param>
    /// <param name="fitted">Receives one vector per block.</param>
    public static void Fit(Vector512<float> shift, ReadOnlySpan<Vector512<float>> sums, float variance, ReadOnlySpan<Vector512<float>> scales, Span<Vector512<float>> fitted)
    {
        ReadOnlySpan<Vector512<float>> reaches = sums[..scales.Length], costs = sums[scales.Length..];
        var reach = Vector512.Create(variance);
        for (int b = 0; b < scales.Length; b++)
            reach += Vector512.ConditionalSelect(Vector512.GreaterThan(costs[b], Vector512<float>.Zero), reaches[b] * reaches[b] / costs[b], Vector512<float>.Zero);
        var lambda = shift / reach;
        for (int b = 0; b < scales.Length; b++)
        {
            var most = Vector512.Abs(scales[b]) * Vector512.Create((float)MeanFit.MostChange);
            var scale = scales[b] + Vector512.MinNative(Vector512.MaxNative(lambda * reaches[b] / costs[b], -most), most);
            // Where nothing is known to change, or the result is no number to divide by, the scale stays.
            var usable = Vector512.GreaterThan(costs[b], Vector512<float>.Zero) & Vector512.GreaterThanOrEqual(Vector512.Abs(scale), Vector512.Create(MapSearch.SmallestNormal)) & Vector512.LessThan(Vector512.Abs(scale), Vector512.Create(float.PositiveInfinity));
            fitted[b] = Vector512.ConditionalSelect(usable, scale, scales[b]);
        }
    }

    /// <summary>
    /// Looks for a common factor near 1 of a row's scales with which rounding to nearest loses least, v·Σ e² + (Σ e·m)²: where a row has few blocks, fitting them can do
    /// little, but rounding with a slightly different scale leaves another Σ e·m.
    /// </summary>
    /// <param name="columns">The rows.</param>
    /// <param name="blockLength">Elements of a block.</param>
    /// <param name="input">The mean input.</param>
    /// <param name="zeros">One vector per block: the codes of zero.</param>
    /// <param name="highest">The highest code.</param>
    /// <param name="scales">One vector per block; they change.</param>
    public static void Choose(ReadOnlySpan<Vector512<float>> columns, int blockLength, MeanInput input, ReadOnlySpan<Vector512<float>> zeros, int highest, Span<Vector512<float>> scales)
    {
        Vector512<float> best = Vector512<float>.One, least = Vector512.Create(float.PositiveInfinity);
        int steps = blockLength > MapSearch.ShortLength ? LongFactorSteps : FactorSteps;
        for (int step = -steps; step <= steps; step++)
        {
            var factor = Vector512.Create(1 + (step * (LargestStep / steps)));
            Vector512<float> error = default, noise = default;
            for (int b = 0, start = 0; b < scales.Length; b++, start += blockLength)
            {
                int length = Math.Min(blockLength, columns.Length - start);
                error += Sums(columns.Slice(start, length), input.Means.AsSpan(start, length), scales[b] * factor, zeros[b], highest, out _, out _, out var loss);
                noise += loss;
            }

            var all = (error * error) + (noise * Vector512.Create(input.Variance));
            var better = Vector512.LessThan(all, least);
            best = Vector512.ConditionalSelect(better, factor, best);
            least = Vector512.ConditionalSelect(better, all, least);
        }

        // Groups of zeros have no scale of their own.
        for (int b = 0; b < scales.Length; b++) scales[b] = Vector512.ConditionalSelect(Vector512.Equals(scales[b], Vector512.Create(GroupMap.AnyScale)), scales[b], scales[b] * best);
    }

    /// <summary>Rounds to nearest.</summary>
    /// <param name="columns">The rows.</param>
    /// <param name="blockLength">Elements of a block.</param>
    /// <param name="scales">One vector per block: the scales that codes are found with.</param>
    /// <param name="stored">One vector per block: the scales that codes will be multiplied with.</param>
    /// <param name="zeros">One vector per block: the codes of zero.</param>
    /// <param name="highest">The highest code.</param>
    /// <param name="codes">Receives sixteen codes per element of a row.</param>
    /// <param name="noise">Receives Σ (x − x̂)² per row.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToNearest(ReadOnlySpan<Vector512<float>> columns, int blockLength, ReadOnlySpan<Vector512<float>> scales, ReadOnlySpan<Vector512<float>> stored, ReadOnlySpan<Vector512<float>> zeros, int highest, Span<byte> codes, Span<double> noise)
    {
        Vector512<double> noiseLow = default, noiseHigh = default;
        for (int b = 0, start = 0; b < scales.Length; b++, start += blockLength)
        {
            var block = columns.Slice(start, Math.Min(blockLength, columns.Length - start));
            var target = codes[(start * LaneTile.Lanes)..];
            var grid = new LaneGrid(scales[b], stored[b], zeros[b], highest);
            var sum = Vector512<float>.Zero;
            int k = 0;
            for (; k <= block.Length - 4; k += 4)
            {
                var q0 = Round(block[k], grid, ref sum);
                var q1 = Round(block[k + 1], grid, ref sum);
                var q2 = Round(block[k + 2], grid, ref sum);
                var q3 = Round(block[k + 3], grid, ref sum);
                // By halves: narrowing sixteen lanes has no instruction where vectors are eight lanes wide.
                Narrow(q0, q1).CopyTo(target[(k * LaneTile.Lanes)..]);
                Narrow(q2, q3).CopyTo(target[((k + 2) * LaneTile.Lanes)..]);
            }

            for (; k < block.Length; k++)
            {
                var q = Round(block[k], grid, ref sum);
                for (int lane = 0; lane < LaneTile.Lanes; lane++) target[(k * LaneTile.Lanes) + lane] = (byte)q[lane];
            }

            var (first, second) = Vector512.Widen(sum);
            noiseLow += first;
            noiseHigh += second;
        }

        noiseLow.CopyTo(noise);
        noiseHigh.CopyTo(noise[Vector512<double>.Count..]);
    }

    /// <summary>What rounding to nearest does to the rows' outputs for the mean input: Σ (x − x̂)·m per row.</summary>
    /// <param name="columns">The rows.</param>
    /// <param name="blockLength">Elements of a block.</param>
    /// <param name="input">The mean input.</param>
    /// <param name="zeros">One vector per block: the codes of zero.</param>
    /// <param name="highest">The highest code.</param>
    /// <param name="scales">One vector per block.</param>
    /// <param name="space">Receives what a change of each block's scale does: Σ q·m, then Σ q², a vector per block each (<see cref="MeanSums"/>).</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector512<float> Shift(ReadOnlySpan<Vector512<float>> columns, int blockLength, MeanInput input, ReadOnlySpan<Vector512<float>> zeros, int highest, ReadOnlySpan<Vector512<float>> scales, Span<Vector512<float>> space)
    {
        var error = Vector512<float>.Zero;
        for (int b = 0, start = 0; b < scales.Length; b++, start += blockLength)
        {
            int length = Math.Min(blockLength, columns.Length - start);
            error += Sums(columns.Slice(start, length), input.Means.AsSpan(start, length), scales[b], zeros[b], highest, out space[b], out space[scales.Length + b], out _);
        }

        return error;
    }

    /// <summary>How many codes are those of zero.</summary>
    /// <param name="codes">Sixteen codes per element of a row.</param>
    /// <param name="blockLength">Elements of a block.</param>
    /// <param name="zeros">One vector per block.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static long CountZeros(ReadOnlySpan<byte> codes, int blockLength, ReadOnlySpan<Vector512<float>> zeros)
    {
        var vectors = MemoryMarshal.Cast<byte, Vector128<byte>>(codes);
        var total = Vector128<ushort>.Zero;
        long count = 0;
        int parts = 0;
        for (int b = 0, start = 0; start < vectors.Length; b++, start += blockLength)
        {
            var zero = Narrow(Vector512.ConvertToInt32Native(zeros[b]), Vector512<int>.Zero).GetLower();
            int end = Math.Min(start + blockLength, vectors.Length);
            for (int at = start; at < end; at += MostCounted)
            {
                var equal = Vector128<byte>.Zero;
                foreach (var code in vectors[at..Math.Min(at + MostCounted, end)]) equal -= Vector128.Equals(code, zero);
                total += Vector128.WidenLower(equal) + Vector128.WidenUpper(equal);
                if (++parts % MostParts != 0) continue;
                count += Sum(total);
                total = default;
            }
        }

        return count + Sum(total);
    }

    private static uint Sum(Vector128<ushort> lanes) => Vector128.Sum(Vector128.WidenLower(lanes) + Vector128.WidenUpper(lanes));

    /// <summary>Σ x² of all elements in binary64, and how many of them are ±0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (double Energy, long Zeros) Measure(ReadOnlySpan<Vector512<float>> columns)
    {
        Vector512<double> first = default, second = default;
        var zeros = Vector512<int>.Zero;
        foreach (var v in columns)
        {
            var (low, high) = Vector512.Widen(v);
            first = Vector512.FusedMultiplyAdd(low, low, first);
            second = Vector512.FusedMultiplyAdd(high, high, second);
            zeros -= Vector512.Equals(v, Vector512<float>.Zero).AsInt32();
        }

        return (Sum(first) + Sum(second), Vector512.Sum(zeros));
    }

    private static double Sum(Vector512<double> lanes) => Lanes.Sum(lanes.GetLower()) + Lanes.Sum(lanes.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Round(Vector512<float> x, LaneGrid grid, ref Vector512<float> noise)
    {
        var code = Vector512.MinNative(Vector512.MaxNative(Vector512.Round(x / grid.Scale), -grid.Zero), grid.High);
        var error = x - (code * grid.Stored);
        noise = Vector512.FusedMultiplyAdd(error, error, noise);
        return Vector512.ConvertToInt32Native(code + grid.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Narrow(Vector512<int> first, Vector512<int> second) =>
        Vector256.Narrow(Vector256.Narrow(first.GetLower(), first.GetUpper()), Vector256.Narrow(second.GetLower(), second.GetUpper())).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sums(ReadOnlySpan<Vector512<float>> block, ReadOnlySpan<float> means, Vector512<float> scale, Vector512<float> zero, int highest, out Vector512<float> reach, out Vector512<float> cost, out Vector512<float> noise)
    {
        var inverse = Vector512<float>.One / scale;
        Vector512<float> low = -zero, high = Vector512.Create((float)highest) - zero, error = default, reaches = default, costs = default, noises = default;
        ref float mean = ref MemoryMarshal.GetReference(means);
        for (int k = 0; k < block.Length; k++)
        {
            var x = block[k];
            var code = Vector512.MinNative(Vector512.MaxNative(Vector512.Round(x * inverse), low), high);
            var m = Vector512.Create(Unsafe.Add(ref mean, k));
            var e = x - (code * scale);
            error = Vector512.FusedMultiplyAdd(e, m, error);
            noises = Vector512.FusedMultiplyAdd(e, e, noises);
            reaches = Vector512.FusedMultiplyAdd(code, m, reaches);
            costs = Vector512.FusedMultiplyAdd(code, code, costs);
        }

        (reach, cost, noise) = (reaches, costs, noises);
        return error;
    }

    /// <summary>How one block of sixteen rows is rounded: the scales that codes are found with, those that they are multiplied with, and the codes of zero.</summary>
    private readonly ref struct LaneGrid(Vector512<float> scale, Vector512<float> stored, Vector512<float> zero, int highest)
    {
        public readonly Vector512<float> Scale = scale;
        public readonly Vector512<float> Stored = stored;
        public readonly Vector512<float> Zero = zero;
        public readonly Vector512<float> High = Vector512.Create((float)highest) - zero;
    }
}
