namespace ModelCompression.Numerics.NBits;

/// <summary><see cref="MeanPreservingRounding"/> for the values of a palette, whose distances differ.</summary>
/// <remarks>
/// An element x between the values p, the nearer one, and p′ of a palette loses e = x − p. The other value costs d² − 2·|e|·d more, d = |p′ − p|, and changes the row's output for the mean input m by d·|m|.
/// Those that cost least for their effect are moved first, each only while v·(growth of Σ e²), with made-up inputs a multiple of it, is less than the fall of (Σ e·m)².
/// </remarks>
internal static class MeanPreservingPalette
{
    /// <summary>Least distance from a value, as a part of the distance between values, of an element that may take the other one.</summary>
    private const double LeastRest = 0.3;

    /// <summary>
    /// How many times its cost a move has to gain where the mean was measured on made-up inputs, which that of real ones need not resemble. Found on eleven networks in 3 to 5 bits: on average as good as 1, with a
    /// quarter of the loss where the mean was wrong.
    /// </summary>
    private const double MadeUpCaution = 8;

    /// <summary>Moves codes and returns by how much Σ e² has changed.</summary>
    /// <param name="row">Elements.</param>
    /// <param name="scales">Scale of each of its blocks.</param>
    /// <param name="blockLength">Elements of a block.</param>
    /// <param name="values">The palette, in ascending order.</param>
    /// <param name="input">The mean input.</param>
    /// <param name="codes">Codes rounded to nearest.</param>
    /// <param name="space">Working memory.</param>
    public static double Apply(ReadOnlySpan<float> row, ReadOnlySpan<float> scales, int blockLength, ReadOnlySpan<float> values, MeanInput input, Span<byte> codes, MoveSpace space)
    {
        var rests = space.Rests(row.Length);
        double error = 0;
        for (int i = 0; i < row.Length; i++)
        {
            rests[i] = row[i] - (values[codes[i]] * scales[i / blockLength]);
            error += (double)rests[i] * input.Means[i];
        }

        int count = 0;
        for (int i = 0; i < row.Length; i++)
        {
            double step = Step(i, rests[i], scales[i / blockLength], values, codes), size = Math.Abs(rests[i]);
            if (row[i] == 0 || step == 0 || size < LeastRest * step || size > 0.5 * step || !(rests[i] * input.Means[i] * error > 0)) continue;
            space.Add(count++, (float)((step - (2 * size)) / Math.Abs(input.Means[i])), (float)(step * Math.Abs(input.Means[i])), i);
        }

        return Move(space, space.Select(count, Math.Abs(error)), scales, blockLength, values, input, rests, codes, error);
    }

    private static double Move(MoveSpace space, int count, ReadOnlySpan<float> scales, int blockLength, ReadOnlySpan<float> values, MeanInput input, ReadOnlySpan<float> rests, Span<byte> codes, double error)
    {
        double change = 0, variance = input.Variance * (input.IsMadeUp ? MadeUpCaution : 1);
        for (int c = 0; c < count; c++)
        {
            int i = space.Element(c), direction = Math.Sign(rests[i]);
            double step = Step(i, rests[i], scales[i / blockLength], values, codes), left = error - (direction * step * input.Means[i]);
            double growth = (step * step) - (2 * Math.Abs(rests[i]) * step);
            if ((left * left) + (variance * growth) >= error * error) continue;
            codes[i] = (byte)(codes[i] + direction);
            error = left;
            change += growth;
        }

        return change;
    }

    /// <summary>Distance to the value on the other side of an element; 0 where there is none.</summary>
    private static double Step(int i, float rest, float scale, ReadOnlySpan<float> values, ReadOnlySpan<byte> codes)
    {
        int other = codes[i] + Math.Sign(rest);
        return (uint)other < (uint)values.Length ? Math.Abs(values[other] - (double)values[codes[i]]) * scale : 0;
    }
}
