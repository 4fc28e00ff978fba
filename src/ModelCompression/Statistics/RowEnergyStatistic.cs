namespace ModelCompression.Statistics;

/// <summary>Σ x² per column of the rows a linear operator multiplies with its weights, per group: the squared norms of its inputs.</summary>
/// <param name="rows">How the tensor is seen as rows.</param>
/// <param name="maxRowsPerSample">Of more rows, evenly spaced ones are taken.</param>
public sealed class RowEnergyStatistic(TensorRows rows, int maxRowsPerSample) : TensorStatistic
{
    private double[][] energies = [];

    /// <summary>Σ x² per column of one group; empty before the first sample.</summary>
    public ReadOnlySpan<double> Energy(int group) => group < energies.Length ? energies[group] : [];

    /// <inheritdoc/>
    public override object? Measure(TensorView x)
    {
        if (!rows.TryMeasure(x.Shape, out long count, out int width)) return null;
        long step = Math.Max(1, (count + maxRowsPerSample - 1) / maxRowsPerSample);
        int taken = (int)((count + step - 1) / step);
        var sums = new double[rows.Groups][];
        float[] row = new float[width];
        for (int g = 0; g < sums.Length; g++)
        {
            sums[g] = new double[width];
            for (int r = 0; r < taken; r++)
            {
                rows.Copy(x, g, r * step, step, row);
                for (int i = 0; i < width; i++) sums[g][i] += (double)row[i] * row[i];
            }
        }

        return sums;
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        if (partial is not double[][] sums || (energies.Length > 0 && sums[0].Length != energies[0].Length)) return;
        if (energies.Length == 0) energies = [.. sums.Select(s => new double[s.Length])];
        for (int g = 0; g < sums.Length; g++)
            for (int i = 0; i < sums[g].Length; i++) energies[g][i] += sums[g][i];
    }
}
