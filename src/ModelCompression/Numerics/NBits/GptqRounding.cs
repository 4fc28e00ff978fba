namespace ModelCompression.Numerics.NBits;

/// <summary>Rounds the elements of a row one after the other; each error is made good, as far as the inputs allow, by the elements that are still to come.</summary>
/// <remarks>
/// With H = XᵀX of a layer's inputs, the output error of a row is (w − ŵ)ᵀH(w − ŵ). After rounding element i the optimal change of the rest is
/// −(w_i − ŵ_i) / U_ii · U_i,i+1…, H⁻¹ = UᵀU (Frantar et al., "GPTQ: Accurate post-training quantization for generative pre-trained transformers", ICLR 2023). Elements come in
/// order of falling diagonal, with scales that were fixed beforehand, so that groups need not be consecutive. Updates far behind are made in blocks of 128.
/// </remarks>
internal static class GptqRounding
{
    private const int Block = 128;

    /// <summary>Rounds rows.</summary>
    /// <param name="rows">Elements, row after row. Zeros stay zeros: pruned weights are not filled again.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="factor">Of the inputs.</param>
    /// <param name="maps">Per row and block.</param>
    /// <param name="blockLength">Elements of a block.</param>
    /// <param name="highest">The highest code.</param>
    /// <param name="codes">Receives one code per element.</param>
    public static void Round(ReadOnlySpan<float> rows, int count, InverseFactor factor, RowMaps maps, int blockLength, int highest, Span<byte> codes)
    {
        int width = factor.Width;
        float[] ordered = new float[count * width];
        for (int r = 0; r < count; r++)
            for (int i = 0; i < width; i++) ordered[(r * width) + i] = rows[(r * width) + factor.Order[i]];
        float[] errors = new float[count * Block];
        for (int first = 0; first < width; first += Block)
        {
            int length = Math.Min(Block, width - first);
            for (int r = 0; r < count; r++)
                RoundBlock(ordered.AsSpan((r * width) + first, length), rows.Slice(r * width, width), factor, first, maps.Of(r), blockLength, highest, codes.Slice(r * width, width), errors.AsSpan(r * length, length));
            int behind = first + length;
            if (behind < width) Rows.AddProduct(ordered.AsSpan(behind), count, errors.AsSpan(0, count * length), factor.Upper.AsSpan((first * width) + behind), length, width - behind, width);
        }
    }

    private static void RoundBlock(Span<float> elements, ReadOnlySpan<float> original, InverseFactor factor, int first, ReadOnlySpan<GroupMap> maps, int blockLength, int highest, Span<byte> codes, Span<float> errors)
    {
        for (int i = 0; i < elements.Length; i++)
        {
            int position = factor.Order[first + i];
            var map = maps[position / blockLength];
            float code = original[position] == 0 ? map.Zero : Math.Clamp(MathF.Round((elements[i] / map.Scale) + map.Zero), 0f, highest);
            codes[position] = (byte)code;
            int row = (first + i) * factor.Width;
            float error = (elements[i] - ((code - map.Zero) * map.Scale)) / factor.Upper[row + first + i];
            errors[i] = -error;
            Rows.AddScaled(elements[(i + 1)..], factor.Upper.AsSpan(row + first + i + 1, elements.Length - i - 1), -error);
        }
    }
}

/// <summary>The maps of some rows.</summary>
/// <param name="maps">All maps, ordered by (scale row, block).</param>
/// <param name="grid">The weight.</param>
/// <param name="firstRow">The first of the rows.</param>
internal readonly ref struct RowMaps(ReadOnlySpan<GroupMap> maps, WeightGrid grid, int firstRow)
{
    private readonly ReadOnlySpan<GroupMap> maps = maps;

    /// <summary>Maps of the blocks of one row.</summary>
    public ReadOnlySpan<GroupMap> Of(int row) => maps.Slice((firstRow + row) / grid.RowsPerScale * grid.Blocks, grid.Blocks);
}
