using ModelCompression.Numerics;

namespace ModelCompression.Passes.Pruning.ByActivation;

/// <summary>Marks elements of rows by |w|·‖x‖: the lowest share of each row, or all but n of every group.</summary>
/// <remarks>Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models" (Wanda), ICLR 2024.</remarks>
internal static class RowSelection
{
    /// <summary>Marks ⌊sparsity·columns⌋ elements of each row; one always stays.</summary>
    public static bool[] LowestShare(float[] rows, int width, int columns, ReadOnlySpan<double> energy, double sparsity)
    {
        int count = Math.Min(columns - 1, (int)Math.Floor((sparsity * columns) + 1e-9));
        var norms = Norms(energy, columns);
        var removed = new bool[rows.Length];
        Parallel.For(0, rows.Length / width, r =>
        {
            var scores = Scores(rows.AsSpan(r * width, columns), norms);
            var order = new int[columns];
            for (int i = 0; i < columns; i++) order[i] = i;
            Array.Sort(order, (a, b) => scores[a] != scores[b] ? scores[a].CompareTo(scores[b]) : a.CompareTo(b));
            for (int i = 0; i < count; i++) removed[(r * width) + order[i]] = true;
        });
        return removed;
    }

    /// <summary>Marks all but the <paramref name="kept"/> highest elements of every group in each row.</summary>
    public static bool[] AllButHighest(float[] rows, int width, int columns, ReadOnlySpan<double> energy, IReadOnlyList<ColumnGroup> groups, int kept)
    {
        var norms = Norms(energy, columns);
        var removed = new bool[rows.Length];
        Parallel.For(0, rows.Length / width, r =>
        {
            var scores = Scores(rows.AsSpan(r * width, columns), norms);
            foreach (var (first, length) in groups)
                for (int i = first; i < first + length; i++)
                {
                    int better = 0;
                    for (int j = first; j < first + length; j++)
                        if (scores[j] > scores[i] || (scores[j] == scores[i] && j < i)) better++;
                    removed[(r * width) + i] = better >= kept;
                }
        });
        return removed;
    }

    private static double[] Norms(ReadOnlySpan<double> energy, int columns)
    {
        var norms = new double[columns];
        for (int i = 0; i < columns; i++) norms[i] = Math.Sqrt(energy[i]);
        return norms;
    }

    private static double[] Scores(ReadOnlySpan<float> row, double[] norms)
    {
        var scores = new double[row.Length];
        for (int i = 0; i < scores.Length; i++) scores[i] = Math.Abs((double)row[i]) * norms[i];
        return scores;
    }
}
