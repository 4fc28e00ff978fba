namespace ModelCompression.Numerics.NBits;

/// <summary>Chooses the scales of a row's blocks so that, rounded to nearest with them, the row keeps its output for the mean input.</summary>
/// <remarks>
/// With scales changed by δ_b, the output error for the mean input is E − Σ δ_b·R_b and Σ e² grows by Σ δ_b²·C_b (<see cref="MeanSums"/>). v·Σ δ_b²·C_b + (E − Σ δ_b·R_b)² is least for
/// δ_b = λ·R_b/C_b, λ = E / (v + Σ R_b²/C_b). Codes follow the scales, so this is done twice, and takes away most of the error, not all. A row has tens of blocks and its output is one number: the squared error hardly grows.
/// </remarks>
internal static class MeanFit
{
    private const int Rounds = 2;
    private const int MostOnStack = 128;

    /// <summary>A change of the scale beyond this share of it would be another range.</summary>
    internal const double MostChange = 0.1;

    /// <summary>Fits the scales.</summary>
    /// <param name="row">Elements of the row.</param>
    /// <param name="blockLength">Elements of a block.</param>
    /// <param name="input">The mean input.</param>
    /// <param name="highest">The highest code.</param>
    /// <param name="maps">One per block; their scales move.</param>
    public static void Fit(ReadOnlySpan<float> row, int blockLength, MeanInput input, int highest, Span<GroupMap> maps)
    {
        Span<MeanSums> sums = maps.Length <= MostOnStack ? stackalloc MeanSums[maps.Length] : new MeanSums[maps.Length];
        for (int round = 0; round < Rounds; round++)
        {
            double error = 0, reach = 0;
            for (int b = 0; b < maps.Length; b++)
            {
                sums[b] = Sums(row, blockLength, input, highest, maps[b], b);
                error += sums[b].Error;
                if (sums[b].Cost > 0) reach += sums[b].Reach * sums[b].Reach / sums[b].Cost;
            }

            if (!(reach > 0)) return;
            double lambda = error / (input.Variance + reach);
            for (int b = 0; b < maps.Length; b++)
            {
                if (!(sums[b].Cost > 0)) continue;
                double most = MostChange * Math.Abs(maps[b].Scale), change = Math.Clamp(lambda * sums[b].Reach / sums[b].Cost, -most, most);
                float scale = (float)(maps[b].Scale + change);
                if (float.IsNormal(scale)) maps[b] = maps[b] with { Scale = scale };
            }
        }
    }

    private static MeanSums Sums(ReadOnlySpan<float> row, int blockLength, MeanInput input, int highest, GroupMap map, int block)
    {
        int start = block * blockLength, length = Math.Min(blockLength, row.Length - start);
        return MeanSums.Of(row.Slice(start, length), input.Means.AsSpan(start, length), map, highest);
    }
}
