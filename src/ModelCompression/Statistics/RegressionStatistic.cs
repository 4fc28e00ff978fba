using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>
/// The moments a least-squares fit with intercept of the rows of one tensor by those of another needs, per group, kept apart for even and odd samples so that one half can
/// judge a fit to the other.
/// </summary>
/// <param name="xRows">Rows of X, in as many groups as the operator has.</param>
/// <param name="yRows">Rows of Y; with several groups each takes an equal share of its columns.</param>
/// <param name="maxRowsPerSample">Of more rows, evenly spaced ones are taken.</param>
public sealed class RegressionStatistic(TensorRows xRows, TensorRows yRows, int maxRowsPerSample) : PairStatistic
{
    private double[][][] moments = [];

    /// <summary>Columns of X in one group; 0 before the first sample.</summary>
    public int XWidth { get; private set; }

    /// <summary>Columns of Y in one group.</summary>
    public int YWidth { get; private set; }

    /// <summary>Number of groups.</summary>
    public int Groups => xRows.Groups;

    /// <summary>Rows and columns of <see cref="Moments"/>: those of X, a one, those of Y.</summary>
    public int Width => XWidth + 1 + YWidth;

    /// <summary>False if the tensors of a sample did not fit together or held NaN or infinities; it was left out.</summary>
    public bool IsConsistent { get; private set; } = true;

    /// <summary>ZᵀZ with Z = [X, 1, Y], row-major, of the even (0) or odd (1) samples; empty before the first sample.</summary>
    public ReadOnlySpan<double> Moments(int half, int group) => group < moments.Length ? moments[group][half] : [];

    /// <inheritdoc/>
    public override void Measure(TensorView x, TensorView y)
    {
        if (!xRows.TryMeasure(x.Shape, out long count, out int xWidth) || !yRows.TryMeasure(y.Shape, out long yCount, out int yWidth) || count != yCount || yWidth % Groups != 0
            || (XWidth != 0 && (xWidth != XWidth || yWidth / Groups != YWidth)))
        {
            IsConsistent = false;
            return;
        }

        if (XWidth == 0) Start(xWidth, yWidth / Groups);
        long step = Math.Max(1, (count + maxRowsPerSample - 1) / maxRowsPerSample), taken = (count + step - 1) / step;
        float[] yBuffer = new float[Math.Min(taken, GramKernel.BlockRows) * yWidth];
        float[] xBuffer = new float[Math.Min(taken, GramKernel.BlockRows) * xWidth];
        float[] joined = new float[Math.Min(taken, GramKernel.BlockRows) * Width];
        var sums = new float[Width * Width];
        for (int g = 0; g < Groups; g++)
        {
            Array.Clear(sums);
            for (long first = 0; first < taken; first += GramKernel.BlockRows)
            {
                int rows = (int)Math.Min(GramKernel.BlockRows, taken - first);
                xRows.Copy(x, g, first * step, step, xBuffer.AsSpan(0, rows * xWidth));
                yRows.Copy(y, 0, first * step, step, yBuffer.AsSpan(0, rows * yWidth));
                Join(xBuffer, yBuffer.AsSpan(), g, yWidth, rows, joined);
                GramKernel.Add(joined, rows, Width, sums);
            }

            Flush(sums, moments[g][x.Sample & 1]);
        }
    }

    private void Start(int xWidth, int yWidth)
    {
        (XWidth, YWidth) = (xWidth, yWidth);
        moments = new double[Groups][][];
        for (int g = 0; g < Groups; g++) moments[g] = [new double[Width * Width], new double[Width * Width]];
    }

    private void Join(ReadOnlySpan<float> x, ReadOnlySpan<float> y, int group, int yWidth, int rows, Span<float> joined)
    {
        for (int r = 0; r < rows; r++)
        {
            var target = joined.Slice(r * Width, Width);
            x.Slice(r * XWidth, XWidth).CopyTo(target);
            target[XWidth] = 1;
            y.Slice((r * yWidth) + (group * YWidth), YWidth).CopyTo(target[(XWidth + 1)..]);
        }
    }

    private void Flush(float[] sums, double[] total)
    {
        double check = 0;
        foreach (float sum in sums) check += sum;
        if (!double.IsFinite(check))
        {
            IsConsistent = false;
            return;
        }

        for (int i = 0; i < sums.Length; i++) total[i] += sums[i];
    }
}
