using ModelCompression.Numerics.NBits;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary><see cref="GptqRounding"/> for a weight: rows of one group of a convolution share a matrix.</summary>
/// <param name="plan">The plan.</param>
/// <param name="factors">One per group.</param>
/// <param name="cancellation">Stops between tiles.</param>
internal sealed class GptqRounder(NBitPlan plan, IReadOnlyList<InverseFactor> factors, CancellationToken cancellation) : IRowRounder
{
    /// <inheritdoc/>
    public void Round(ReadOnlySpan<float> rows, int first, int count, GroupMap[] maps, Span<byte> codes)
    {
        cancellation.ThrowIfCancellationRequested();
        int length = plan.Grid.Length, rowsPerGroup = plan.Grid.Rows / factors.Count;
        for (int row = 0; row < count;)
        {
            int group = (first + row) / rowsPerGroup;
            int together = Math.Min(count - row, ((group + 1) * rowsPerGroup) - first - row);
            GptqRounding.Round(rows.Slice(row * length, together * length), together, factors[group], new(maps, plan.Grid, first + row), plan.Grid.BlockLength, plan.Codes.Highest, codes.Slice(row * length, together * length));
            row += together;
        }
    }
}
