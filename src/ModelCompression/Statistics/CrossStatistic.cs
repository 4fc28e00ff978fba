using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Cross moments XᵀY of two tensors with the same number of rows, and ‖Y‖²: with a <see cref="GramStatistic"/> of X, what a least-squares fit of Y by X needs.</summary>
/// <param name="xRows">Rows of X; one group.</param>
/// <param name="yRows">Rows of Y; one group.</param>
public sealed class CrossStatistic(TensorRows xRows, TensorRows yRows) : PairStatistic
{
    private double[] matrix = [];

    /// <summary>Row length of X.</summary>
    public int XWidth { get; private set; }

    /// <summary>Row length of Y.</summary>
    public int YWidth { get; private set; }

    /// <summary>Rows added so far.</summary>
    public long RowCount { get; private set; }

    /// <summary>Σ y² over all rows.</summary>
    public double YSquare { get; private set; }

    /// <summary>False if a sample's shapes did not fit; it was left out.</summary>
    public bool IsConsistent { get; private set; } = true;

    /// <summary>XᵀY: <see cref="XWidth"/> rows of <see cref="YWidth"/> elements.</summary>
    public ReadOnlySpan<double> Matrix => matrix;

    /// <inheritdoc/>
    public override void Measure(TensorView x, TensorView y)
    {
        if (!xRows.TryMeasure(x.Shape, out long rows, out int xWidth) || !yRows.TryMeasure(y.Shape, out long yCount, out int yWidth) || rows != yCount
            || (RowCount > 0 && (xWidth != XWidth || yWidth != YWidth)))
        {
            IsConsistent = false;
            return;
        }

        if (RowCount == 0) (XWidth, YWidth, matrix) = (xWidth, yWidth, new double[checked(xWidth * yWidth)]);
        int block = (int)Math.Min(rows, GramKernel.BlockRows);
        float[] left = new float[block * xWidth], right = new float[block * yWidth];
        for (long first = 0; first < rows; first += block)
        {
            int count = (int)Math.Min(block, rows - first);
            xRows.Copy(x, 0, first, 1, left.AsSpan(0, count * xWidth));
            yRows.Copy(y, 0, first, 1, right.AsSpan(0, count * yWidth));
            Add(left, right, count);
        }

        RowCount += rows;
    }

    private void Add(float[] left, float[] right, int count)
    {
        for (int i = 0; i < count * YWidth; i++) YSquare += (double)right[i] * right[i];
        Parallel.For(0, XWidth, i =>
        {
            var target = matrix.AsSpan(i * YWidth, YWidth);
            float[] sums = new float[YWidth];
            for (int r = 0; r < count; r++)
                System.Numerics.Tensors.TensorPrimitives.FusedMultiplyAdd(right.AsSpan(r * YWidth, YWidth), left[(r * XWidth) + i], sums, sums);
            for (int j = 0; j < sums.Length; j++) target[j] += sums[j];
        });
    }
}
