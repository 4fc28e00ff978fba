using ModelCompression.Onnx.Tensors;
using ModelCompression.Runtime.Fidelity;

namespace ModelCompression.Runtime.Evaluation;

/// <summary>How far scores of classes are from the original's, apart from what does not change their order: adding to all of them, or scaling them.</summary>
/// <remarks>
/// 1 − ρ², ρ being the correlation of the scores of one sample: the noise-to-signal ratio after the best shift and scale. Pruning shrinks scores, which raises the plain ratio without changing a
/// single decision.
/// </remarks>
internal static class ScoreDistortion
{
    /// <summary>Sum of 1 − ρ² over the rows, and their number; null when the tensors are not rows of scores.</summary>
    /// <param name="reference">Scores of the original, [rows, …].</param>
    /// <param name="actual">Scores of the compressed model.</param>
    /// <param name="rowCount">Rows that are samples; those beyond are padding.</param>
    public static (double Sum, double Rows)? Measure(Tensor reference, Tensor actual, int rowCount)
    {
        long rows = reference.Rank > 1 ? reference.Dims[0] : 1;
        if (rows < rowCount || reference.ElementCount / rows < 2 || actual.ElementCount != reference.ElementCount) return null;
        int classes = checked((int)(reference.ElementCount / rows));
        double[] left = new double[classes], right = new double[classes];
        double sum = 0;
        for (int row = 0; row < rowCount; row++)
        {
            FloatElements.Read(reference, row * classes, left);
            FloatElements.Read(actual, row * classes, right);
            sum += OneMinusSquaredCorrelation(left, right);
        }

        return (sum, rowCount);
    }

    /// <summary>1 − ρ²; 1 for scores that are all equal, NaN when one is not finite.</summary>
    internal static double OneMinusSquaredCorrelation(ReadOnlySpan<double> left, ReadOnlySpan<double> right)
    {
        double meanLeft = 0, meanRight = 0;
        for (int i = 0; i < left.Length; i++) (meanLeft, meanRight) = (meanLeft + left[i], meanRight + right[i]);
        (meanLeft, meanRight) = (meanLeft / left.Length, meanRight / left.Length);
        double product = 0, powerLeft = 0, powerRight = 0;
        for (int i = 0; i < left.Length; i++)
        {
            double a = left[i] - meanLeft, b = right[i] - meanRight;
            product += a * b;
            powerLeft += a * a;
            powerRight += b * b;
        }

        if (powerLeft == 0 && powerRight == 0) return 0;
        // Scores turned round keep their squared correlation, but nothing of their order.
        if (product <= 0 && double.IsFinite(product)) return 1;
        return Math.Max(0, 1 - (product * product / (powerLeft * powerRight)));
    }
}
