using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Runtime.Fidelity;

/// <summary>Counts how often the largest score stands at the same place. Ties go to the first place in both.</summary>
internal sealed class TopOneAgreement
{
    private long agreed;

    /// <summary>Rows compared.</summary>
    public long RowCount { get; private set; }

    /// <summary>Share of rows that agree, or null without rows.</summary>
    public double? Share => RowCount == 0 ? null : (double)agreed / RowCount;

    /// <summary>
    /// Number of classes of an output, or 0 when it does not look like scores: the last axis that is longer than 1, when at most two axes before it are
    /// (pictures and feature maps have more, and the largest pixel of a line says nothing).
    /// </summary>
    public static int ClassCount(Tensor tensor)
    {
        var dims = tensor.Dims;
        while (dims.Length > 1 && dims[^1] == 1) dims = dims[..^1];
        return dims.Length is >= 1 and <= 3 && tensor.ElementCount > 0 && dims[^1] is > 1 and <= int.MaxValue ? (int)dims[^1] : 0;
    }

    /// <summary>Adds a pair of outputs of equal shape; rows with NaN in the reference are left out.</summary>
    public void Add(Tensor reference, Tensor actual)
    {
        int classes = ClassCount(reference);
        if (classes == 0) return;
        double[] left = new double[classes], right = new double[classes];
        for (int start = 0; start + classes <= reference.ElementCount; start += classes)
        {
            FloatElements.Read(reference, start, left);
            FloatElements.Read(actual, start, right);
            if (Array.Exists(left, double.IsNaN)) continue;
            RowCount++;
            if (IndexOfLargest(left) == IndexOfLargest(right)) agreed++;
        }
    }

    /// <summary>Index of the first largest element; NaN is never the largest. -1 when all are NaN.</summary>
    public static int IndexOfLargest(ReadOnlySpan<double> scores)
    {
        int best = -1;
        for (int i = 0; i < scores.Length; i++)
            if (!double.IsNaN(scores[i]) && (best < 0 || scores[i] > scores[best])) best = i;
        return best;
    }
}
