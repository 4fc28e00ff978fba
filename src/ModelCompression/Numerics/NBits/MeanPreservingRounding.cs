namespace ModelCompression.Numerics.NBits;

/// <summary>Rounds a few elements of a row the other way, so that the row keeps its output for the mean input.</summary>
/// <remarks>
/// The generalisation of <see cref="SumPreservingRounding"/> (Guo et al., ICLR 2022) from inputs that are alike to any mean: elements for which the other code costs least
/// squared error per change of the output are taken first, each only while v·(growth of Σ e²) is less than the fall of (Σ e·m)² (<see cref="MeanInput"/>). Zeros stay zeros.
/// </remarks>
internal static class MeanPreservingRounding
{
    /// <summary>Least distance from a code, in code steps, of an element that may take the other one.</summary>
    private const float LeastRest = 0.25f;

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
            float inverse = 1 / map.Scale;
            double sum = 0;
            for (int i = start; i < Math.Min(start + blockLength, row.Length); i++)
            {
                rests[i] = (row[i] * inverse) + map.Zero - codes[i];
                sum += rests[i] * input.Means[i];
            }

            error += sum * map.Scale;
        }

        int count = Candidates(row, maps, blockLength, input.Means, rests, highest, codes, Math.Sign(error), space);
        return Move(space, count, maps, blockLength, input, rests, codes, error);
    }

    private static int Candidates(ReadOnlySpan<float> row, ReadOnlySpan<GroupMap> maps, int blockLength, float[] means, ReadOnlySpan<float> rests, int highest, ReadOnlySpan<byte> codes, int sign, MoveSpace space)
    {
        int count = 0;
        for (int i = 0; i < row.Length; i++)
        {
            float rest = rests[i];
            if (Math.Abs(rest) < LeastRest) continue;
            float scale = maps[i / blockLength].Scale;
            int direction = Math.Sign(rest);
            if (direction * scale * means[i] * sign <= 0 || row[i] == 0 || (uint)(codes[i] + direction) > highest || Math.Abs(rest) > 0.5f) continue;
            space.Add(count++, (1 - (2 * Math.Abs(rest))) * Math.Abs(scale / means[i]), i);
        }

        space.Sort(count);
        return count;
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
    private float[] rests = [];
    private float[] costs = [];
    private int[] elements = [];

    /// <summary>Room for one number per element; the content is undefined.</summary>
    public Span<float> Rests(int count)
    {
        if (rests.Length < count) (rests, costs, elements) = (new float[count], new float[count], new int[count]);
        return rests.AsSpan(0, count);
    }

    /// <summary>Notes a candidate.</summary>
    public void Add(int at, float cost, int element) => (costs[at], elements[at]) = (cost, element);

    /// <summary>Sorts candidates by cost; those of equal cost by element.</summary>
    public void Sort(int count)
    {
        Array.Sort(costs, elements, 0, count);
        for (int i = 1; i < count; i++)
            for (int j = i; j > 0 && costs[j] == costs[j - 1] && elements[j] < elements[j - 1]; j--) (elements[j], elements[j - 1]) = (elements[j - 1], elements[j]);
    }

    /// <summary>Element of a candidate.</summary>
    public int Element(int at) => elements[at];
}
