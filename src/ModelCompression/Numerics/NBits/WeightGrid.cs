namespace ModelCompression.Numerics.NBits;

/// <summary>A weight as rows of what its consumer sums over, and which elements share a scale.</summary>
/// <param name="Rows">Rows: output channels; for ConvTranspose, output channels times kernel positions.</param>
/// <param name="Length">Elements of a row.</param>
/// <param name="IsTransposed">False: row r begins at element r·<see cref="Length"/>. True: element k of row r is at k·<see cref="Rows"/> + r.</param>
/// <param name="RowsPerScale">Consecutive rows with common scales.</param>
/// <param name="BlockLength">Elements of a row with a common scale; the last block of a row may be shorter.</param>
internal sealed record WeightGrid(int Rows, int Length, bool IsTransposed, int RowsPerScale, int BlockLength)
{
    /// <summary>Blocks of a row.</summary>
    public int Blocks => (Length + BlockLength - 1) / BlockLength;

    /// <summary>Groups of rows with common scales.</summary>
    public int ScaleRows => Rows / RowsPerScale;

    /// <summary>Scales, ordered by (scale row, block).</summary>
    public int ScaleCount => ScaleRows * Blocks;

    /// <summary>Elements.</summary>
    public int ElementCount => Rows * Length;

    /// <summary>True when the last block of a row is shorter than the others.</summary>
    public bool HasTail => Length % BlockLength != 0;

    /// <summary>One scale for all elements.</summary>
    public WeightGrid PerTensor() => this with { RowsPerScale = Rows, BlockLength = Length };

    /// <summary>Scales of every row for each run of at most <paramref name="blockSize"/> elements.</summary>
    public WeightGrid PerBlock(int blockSize) => this with { RowsPerScale = 1, BlockLength = Math.Min(blockSize, Length) };

    /// <summary>One block of a row.</summary>
    public ReadOnlySpan<float> BlockOf(ReadOnlySpan<float> row, int block)
    {
        int start = block * BlockLength;
        return row.Slice(start, Math.Min(BlockLength, Length - start));
    }

    /// <summary>Rows with one scale per channel.</summary>
    /// <param name="dims">Shape of the weight, not empty.</param>
    /// <param name="channelAxes">Consecutive axes of the output channels.</param>
    /// <param name="reductionAxis">The axis that the consumer sums over.</param>
    public static WeightGrid Of(ReadOnlySpan<long> dims, IReadOnlyList<int> channelAxes, int reductionAxis)
    {
        var layout = ChannelLayout.Of(dims, channelAxes);
        if (reductionAxis > channelAxes[^1]) return new(layout.Outer * layout.Channels, layout.Inner, false, 1, layout.Inner);
        return new(layout.Channels * layout.Inner, layout.Outer, true, layout.Inner, layout.Outer);
    }
}
