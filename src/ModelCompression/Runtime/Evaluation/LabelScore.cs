using ModelCompression.Data;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Fidelity;

namespace ModelCompression.Runtime.Evaluation;

/// <summary>Compares outputs with class labels.</summary>
internal static class LabelScore
{
    /// <summary>How many rows of a feed have their label among the <paramref name="k"/> highest scores. Of equal scores the first counts as higher; NaN is never high.</summary>
    /// <param name="labels">One class index per row.</param>
    /// <param name="outputs">Outputs of the model.</param>
    /// <param name="k">1 or 5.</param>
    /// <exception cref="DiagnosticException">MCB3010 or MCB3017: the outputs are no scores for these labels.</exception>
    public static int CountHits(IReadOnlyList<long> labels, IReadOnlyList<NamedValue> outputs, int k)
    {
        var flat = FlatOutputs.Of(outputs);
        if (flat.Find(o => o.Tensor is { } t && t.DataType.IsFloatingPoint() && ClassCount(t, labels.Count) > 1) is { Tensor: { } scores } found)
            return CountHits(labels, scores, ClassCount(scores, labels.Count), k, found.Name);
        if (k == 1 && flat.Find(o => o.Tensor is { DataType: DataType.Int64 } t && t.ElementCount == labels.Count).Tensor is { } classes)
            return labels.Where((label, row) => classes.AsSpan<long>()[row] == label).Count();
        string shapes = string.Join(", ", flat.Select(o => $"'{o.Name}' {o.Tensor}"));
        throw new DiagnosticException("MCB3017", $"No output holds one score per class for each labelled sample; outputs are {shapes}. Expected [samples, classes]. Leave the labels out, or set Metric to Cosine, Sqnr, Mse or Mae where outputs are floating point, or give a MetricCommand.");
    }

    /// <summary>The class with the highest score in each row of a feed, and the number of classes; empty when the outputs hold no scores.</summary>
    public static (int[] Predicted, int Classes) Predict(int rows, IReadOnlyList<NamedValue> outputs)
    {
        if (FlatOutputs.Of(outputs).Find(o => o.Tensor is { } t && t.DataType.IsFloatingPoint() && ClassCount(t, rows) > 1) is not { Tensor: { } scores }) return ([], 0);
        int classes = checked((int)ClassCount(scores, rows));
        var row = new double[classes];
        var predicted = new int[rows];
        for (int i = 0; i < rows; i++)
        {
            FloatElements.Read(scores, checked(i * classes), row);
            predicted[i] = -1;
            for (int c = 0; c < classes; c++)
                if (!double.IsNaN(row[c]) && (predicted[i] < 0 || row[c] > row[predicted[i]])) predicted[i] = c;
        }

        return (predicted, classes);
    }

    /// <summary>Scores per row: everything behind the batch axis; a vector is one row.</summary>
    private static long ClassCount(Tensor scores, int rows)
    {
        if (scores.Rank == 0 || rows == 0) return 0;
        if (scores.Rank == 1) return rows == 1 ? scores.ElementCount : 0;
        if (scores.Dims[0] < rows) return 0;
        bool isVector = scores.Dims[1..].ToArray().Count(d => d > 1) == 1;
        return isVector ? scores.ElementCount / scores.Dims[0] : 0;
    }

    private static int CountHits(IReadOnlyList<long> labels, Tensor scores, long classes, int k, string name)
    {
        var row = new double[classes];
        int hits = 0;
        for (int i = 0; i < labels.Count; i++)
        {
            FloatElements.Read(scores, checked((int)(i * classes)), row);
            if (labels[i] >= classes)
                throw new DiagnosticException("MCB3010", FormattableString.Invariant($"The labels hold {labels[i]}, but output '{name}' has classes 0 to {classes - 1} only."));
            if (IsAmongHighest(row, (int)labels[i], k)) hits++;
        }

        return hits;
    }

    private static bool IsAmongHighest(ReadOnlySpan<double> scores, int label, int k)
    {
        double own = scores[label];
        if (double.IsNaN(own)) return false;
        int above = 0;
        for (int i = 0; i < scores.Length && above < k; i++)
            if (scores[i] > own || (scores[i] == own && i < label)) above++;
        return above < k;
    }
}
