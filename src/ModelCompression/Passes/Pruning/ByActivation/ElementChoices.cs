using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;
using ModelCompression.Passes.Pruning.Refitting;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Pruning.ByActivation;

/// <summary>Ways to choose the elements of a weight that go.</summary>
internal static class ElementChoices
{
    /// <summary>Those that are zero in the weight as it is, with the weight as it was to start from.</summary>
    public static ElementChoice Given(Tensor before) => (matrix, _, group, now) =>
        (matrix.Columns(before.AsSpan<float>(), group), [.. now.Select(w => w == 0)]);

    /// <summary>By |w|·‖x‖ in each row.</summary>
    public static ElementChoice Wanda(CompressionOptions options) => (matrix, statistic, group, columns) =>
    {
        var energy = Energy(matrix, statistic, group);
        return (columns, matrix.Columns<bool>(Lowest(options, matrix, matrix.Rows(columns, []), energy)));
    };

    /// <summary>By what the removal costs after the update, block by block.</summary>
    /// <param name="options">Pattern and sparsity.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static ElementChoice SparseGpt(CompressionOptions options, CancellationToken cancellation) => (matrix, statistic, group, columns) =>
    {
        int inputs = matrix.Inputs;
        var rows = matrix.Rows(columns, []);
        if ((statistic.HasFewRows ? ObsUpdate.FromRows(Rows(matrix, statistic, group), matrix.RowLength, cancellation: cancellation) : ObsUpdate.TryCreate(Gram(matrix, statistic, group), matrix.RowLength, cancellation: cancellation)) is not { } update) return (columns, matrix.Columns<bool>(Lowest(options, matrix, rows, Energy(matrix, statistic, group))));
        if (options.PruningPattern.Kind == PruningPatternKind.NOfM) update.RemoveFromGroups(rows, matrix.ColumnGroups(options.PruningPattern.M), options.PruningPattern.N);
        else update.RemoveShare(rows, inputs, options.Sparsity!.Value);
        RestoreEmpty(matrix, rows, matrix.Rows(columns, []));
        var updated = matrix.Columns<float>(rows);
        return (Array.ConvertAll(updated, w => (double)w), Array.ConvertAll(updated, w => w == 0));
    };

    /// <summary>Marks in row order.</summary>
    public static bool[] Lowest(CompressionOptions options, WeightMatrix matrix, float[] rows, double[] energy)
    {
        var pattern = options.PruningPattern;
        return pattern.Kind == PruningPatternKind.NOfM
            ? RowSelection.AllButHighest(rows, matrix.RowLength, matrix.Inputs, energy, matrix.ColumnGroups(pattern.M), pattern.N)
            : RowSelection.LowestShare(rows, matrix.RowLength, matrix.Inputs, energy, options.Sparsity!.Value);
    }

    /// <summary>Σ x² in row order.</summary>
    private static double[] Energy(WeightMatrix matrix, RegressionStatistic statistic, int group)
    {
        var energy = new double[matrix.Inputs];
        double[] squares = statistic.SquaredColumns(group);
        for (int i = 0; i < energy.Length; i++) energy[i] = squares[matrix.Source(i)];
        return energy;
    }

    /// <summary>X in row order, with the bias' one as last column where rows have one.</summary>
    private static float[] Rows(WeightMatrix matrix, RegressionStatistic statistic, int group)
    {
        int length = matrix.RowLength, at = 0;
        ReadOnlySpan<float> even = statistic.Rows(0, group), odd = statistic.Rows(1, group);
        var rows = new float[(even.Length + odd.Length) / statistic.Width * length];
        foreach (var half in new[] { even.ToArray(), odd.ToArray() })
            for (int r = 0; r < half.Length; r += statistic.Width, at += length)
                for (int i = 0; i < length; i++) rows[at + i] = half[r + matrix.Source(i)];
        return rows;
    }

    /// <summary>XᵀX in row order, with the bias' one as last column where rows have one.</summary>
    private static double[] Gram(WeightMatrix matrix, RegressionStatistic statistic, int group)
    {
        int length = matrix.RowLength;
        var gram = new double[length * length];
        var even = statistic.Moments(0, group);
        var odd = statistic.Moments(1, group);
        for (int i = 0; i < length; i++)
            for (int j = 0; j < length; j++)
            {
                int at = (matrix.Source(i) * statistic.Width) + matrix.Source(j);
                gram[(i * length) + j] = even[at] + odd[at];
            }

        return gram;
    }

    /// <summary>Gives an output that has lost all its weights its largest one back.</summary>
    private static void RestoreEmpty(WeightMatrix matrix, float[] rows, float[] before)
    {
        for (int r = 0; r < matrix.Outputs; r++)
        {
            var row = rows.AsSpan(r * matrix.RowLength, matrix.Inputs);
            if (row.IsEmpty || row.ContainsAnyExcept(0f)) continue;
            var old = before.AsSpan(r * matrix.RowLength, matrix.Inputs);
            int largest = 0;
            for (int i = 1; i < old.Length; i++)
                if (Math.Abs(old[i]) > Math.Abs(old[largest])) largest = i;
            row[largest] = old[largest];
        }
    }
}
