using ModelCompression.Numerics.NBits;

namespace ModelCompression.Passes.Quantization.NBits;

/// <summary><see cref="AdaptiveRounding"/> for a weight, from GPTQ's codes on.</summary>
/// <param name="plan">The plan.</param>
/// <param name="start">Makes the first codes.</param>
/// <param name="groups">One per group.</param>
internal sealed class AdaptiveRounder(NBitPlan plan, GptqRounder start, IReadOnlyList<AdaptiveRounding> groups) : IRowRounder
{
    /// <inheritdoc/>
    public void Round(ReadOnlySpan<float> rows, int first, int count, GroupMap[] maps, Span<byte> codes)
    {
        start.Round(rows, first, count, maps, codes);
        int length = plan.Grid.Length, rowsPerGroup = plan.Grid.Rows / groups.Count;
        var rowMaps = new RowMaps(maps, plan.Grid, first);
        for (int row = 0; row < count; row++)
            groups[(first + row) / rowsPerGroup].Round(rows.Slice(row * length, length), rowMaps.Of(row), plan.Grid.BlockLength, codes.Slice(row * length, length));
    }
}
