using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.NBits;

/// <summary>Rounds a few elements of a row the other way, so that the row keeps its output for the mean input.</summary>
/// <remarks>
/// The generalisation of SQuant (Guo et al., "On-the-fly data-free quantization via diagonal Hessian approximation", ICLR 2022) from inputs that are alike to any mean: elements for which the other code costs least
/// squared error per change of the output are taken first, each only while v·(growth of Σ e²) is less than the fall of (Σ e·m)² (<see cref="MeanInput"/>). Zeros stay zeros.
/// </remarks>
internal static class MeanPreservingRounding
{
    /// <summary>Least distance from a code, in code steps, of an element that may take the other one.</summary>
    private const float LeastRest = 0.3f;

    /// <summary>Moves codes and returns by how much Σ e² has changed.</summary>
    /// <param name="row">Elements.</param>
    /// <param name="maps">Maps of its blocks.</param>
    /// <param name="blockLength">Elements of a block.</param>
    /// <param name="input">The mean input.</param>
    /// <param name="highest">The highest code.</param>
    /// <param name="codes">Codes rounded to nearest.</param>
    /// <param name="space">Working memory.</param>
    public static double Apply(ReadOnlySpan<float> row, ReadOnlySpan<GroupMap> maps, int blockLength, MeanInput input, int highest, Span<byte> codes, MoveSpace space)
    {
        var rests = space.Rests(row.Length);
        double error = 0;
        for (int b = 0, start = 0; start < row.Length; b++, start += blockLength)
        {
            var map = maps[b];
            int length = Math.Min(blockLength, row.Length - start);
            RoundingRests.Compute(row.Slice(start, length), map, codes[start..], rests[start..]);
            error += RoundingRests.Dot(rests.Slice(start, length), input.Means.AsSpan(start, length)) * map.Scale;
        }

        int count = Candidates(row, maps, blockLength, input.Means, rests, highest, codes, Math.Sign(error), space);
        count = space.Select(count, Math.Abs(error));
        return Move(space, count, maps, blockLength, input, rests, codes, error);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Candidates(ReadOnlySpan<float> row, ReadOnlySpan<GroupMap> maps, int blockLength, float[] means, ReadOnlySpan<float> rests, int highest, ReadOnlySpan<byte> codes, int sign, MoveSpace space)
    {
        int count = 0;
        for (int b = 0, start = 0; start < row.Length; b++, start += blockLength)
        {
            float scale = maps[b].Scale;
            int end = Math.Min(start + blockLength, row.Length), i = start;
            for (; i <= end - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                Vector256<float> rest = Vector256.Create(rests[i..]), size = Vector256.Abs(rest), effect = rest * Vector256.Create(means.AsSpan(i)) * Vector256.Create(scale * sign);
                var found = Vector256.GreaterThan(effect, Vector256<float>.Zero) & Vector256.GreaterThanOrEqual(size, Vector256.Create(LeastRest)) & Vector256.LessThanOrEqual(size, Vector256.Create(0.5f));
                for (uint bits = found.ExtractMostSignificantBits(); bits != 0; bits &= bits - 1) Add(i + BitOperations.TrailingZeroCount(bits), scale, row, means, rests, highest, codes, space, ref count);
            }

            for (; i < end; i++)
                if (Math.Abs(rests[i]) is >= LeastRest and <= 0.5f && rests[i] * means[i] * scale * sign > 0) Add(i, scale, row, means, rests, highest, codes, space, ref count);
        }

        return count;
    }

    private static void Add(int i, float scale, ReadOnlySpan<float> row, float[] means, ReadOnlySpan<float> rests, int highest, ReadOnlySpan<byte> codes, MoveSpace space, ref int count)
    {
        if (row[i] != 0 && (uint)(codes[i] + (rests[i] > 0 ? 1 : -1)) <= highest) space.Add(count++, (1 - (2 * Math.Abs(rests[i]))) * Math.Abs(scale / means[i]), Math.Abs(scale * means[i]), i);
    }

    private static double Move(MoveSpace space, int count, ReadOnlySpan<GroupMap> maps, int blockLength, MeanInput input, ReadOnlySpan<float> rests, Span<byte> codes, double error)
    {
        double change = 0;
        for (int c = 0; c < count; c++)
        {
            int i = space.Element(c), direction = Math.Sign(rests[i]);
            double scale = maps[i / blockLength].Scale, left = error - (direction * scale * input.Means[i]);
            double growth = (1 - (2.0 * Math.Abs(rests[i]))) * scale * scale;
            if ((left * left) + (input.Variance * growth) >= error * error) continue;
            codes[i] = (byte)(codes[i] + direction);
            error = left;
            change += growth;
        }

        return change;
    }
}

/// <summary>Memory that one thread looks for moves in, row after row.</summary>
internal sealed class MoveSpace
{
    /// <summary>Buckets of costs: eight per power of two.</summary>
    private const int BucketCount = 1 << (31 - BucketShift);

    private const int BucketShift = 20;

    private float[] rests = [];
    private float[] sizes = [];
    private readonly float[] effects = new float[BucketCount];
    private float[] costs = [];
    private int[] elements = [];

    /// <summary>Room for one number per element; the content is undefined.</summary>
    public Span<float> Rests(int count)
    {
        if (rests.Length < count) (rests, costs, sizes, elements) = (new float[count], new float[count], new float[count], new int[count]);
        return rests.AsSpan(0, count);
    }

    /// <summary>Notes a candidate.</summary>
    /// <param name="at">Its number.</param>
    /// <param name="cost">Squared error per change of the output; ≥ 0.</param>
    /// <param name="effect">Change of the output; ≥ 0.</param>
    /// <param name="element">The element.</param>
    public void Add(int at, float cost, float effect, int element) => (costs[at], sizes[at], elements[at]) = (cost, effect, element);

    /// <summary>Keeps the cheapest candidates that together have an effect, sorted by cost, those of equal cost by element; returns how many.</summary>
    public int Select(int count, double effect)
    {
        // Few of many candidates are needed: sorting all of them would take most of the time.
        Array.Clear(effects);
        for (int i = 0; i < count; i++) effects[Bucket(costs[i])] += sizes[i];
        int last = 0;
        for (double sum = effects[0]; sum < effect && last < BucketCount - 1;) sum += effects[++last];
        int kept = 0;
        for (int i = 0; i < count; i++)
            if (Bucket(costs[i]) <= last) (costs[kept], elements[kept++]) = (costs[i], elements[i]);
        Sort(kept);
        return kept;
    }

    /// <summary>The bits of numbers that are not negative are in the order of the numbers.</summary>
    private static int Bucket(float cost) => (int)((BitConverter.SingleToUInt32Bits(cost) & int.MaxValue) >> BucketShift);

    private void Sort(int count)
    {
        Array.Sort(costs, elements, 0, count);
        for (int i = 1; i < count; i++)
            for (int j = i; j > 0 && costs[j] == costs[j - 1] && elements[j] < elements[j - 1]; j--) (elements[j], elements[j - 1]) = (elements[j - 1], elements[j]);
    }

    /// <summary>Element of a candidate.</summary>
    public int Element(int at) => elements[at];
}
