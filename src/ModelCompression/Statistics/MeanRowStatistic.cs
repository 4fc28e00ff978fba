using System.Numerics.Tensors;

namespace ModelCompression.Statistics;

/// <summary>The mean of the rows that a linear operator multiplies with its weights, and how much rows differ from it, per group.</summary>
/// <param name="rows">How the tensor is seen as rows.</param>
/// <param name="maxRowsPerSample">Of more rows, evenly spaced ones are taken.</param>
public sealed class MeanRowStatistic(TensorRows rows, int maxRowsPerSample) : TensorStatistic
{
    private double[][] sums = [];
    private double[] energies = [];

    /// <summary>Row length K; 0 before the first sample.</summary>
    public int Width { get; private set; }

    /// <summary>Number of groups.</summary>
    public int Groups => rows.Groups;

    /// <summary>Rows added so far, per group.</summary>
    public long RowCount { get; private set; }

    /// <summary>False if a sample had another row length, or a shape that does not fit; it was left out.</summary>
    public bool IsConsistent { get; private set; } = true;

    /// <summary>The key under which passes share it.</summary>
    public static string Key(TensorRows rows, int maxRowsPerSample) => FormattableString.Invariant($"mean row:{rows.Key}:{maxRowsPerSample}");

    /// <summary>Mean of element <paramref name="k"/>; not finite if an element was not.</summary>
    public double Mean(int group, int k) => sums[group][k] / RowCount;

    /// <summary>Mean over rows of Σ x² of a row.</summary>
    public double Energy(int group) => energies[group] / RowCount;

    /// <inheritdoc/>
    public override object? Measure(TensorView x)
    {
        if (!rows.TryMeasure(x.Shape, out long count, out int width)) return null;
        long step = Math.Max(1, (count + maxRowsPerSample - 1) / maxRowsPerSample), taken = (count + step - 1) / step;
        var part = new Part(width, taken, [.. Enumerable.Range(0, rows.Groups).Select(_ => new double[width])], new double[rows.Groups]);
        float[] row = new float[width];
        double[] wide = new double[width];
        for (int g = 0; g < rows.Groups; g++)
        {
            for (long r = 0; r < taken; r++)
            {
                rows.Copy(x, g, r * step, 1, row);
                TensorPrimitives.ConvertTruncating<float, double>(row, wide);
                TensorPrimitives.Add(part.Sums[g], wide, part.Sums[g]);
                part.Energies[g] += TensorPrimitives.SumOfSquares<double>(wide);
            }
        }

        return part;
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
        if (partial is not Part part || (Width != 0 && part.Width != Width))
        {
            IsConsistent = false;
            return;
        }

        if (Width == 0) (Width, sums, energies) = (part.Width, [.. part.Sums.Select(s => new double[s.Length])], new double[part.Energies.Length]);
        RowCount += part.Count;
        for (int g = 0; g < sums.Length; g++)
        {
            TensorPrimitives.Add(sums[g], part.Sums[g], sums[g]);
            energies[g] += part.Energies[g];
        }
    }

    private sealed record Part(int Width, long Count, double[][] Sums, double[] Energies);
}
