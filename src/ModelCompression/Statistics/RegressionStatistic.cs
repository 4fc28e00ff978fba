using System.Numerics.Tensors;
using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>
/// The moments a least-squares fit with intercept of the rows of one tensor by those of another needs, per group, kept apart for even and odd samples so that one half can
/// judge a fit to the other.
/// </summary>
/// <param name="xRows">Rows of X, in as many groups as the operator has.</param>
/// <param name="yRows">Rows of Y; with several groups each takes an equal share of its columns.</param>
/// <param name="maxRowsPerSample">Of more rows, evenly spaced ones are taken.</param>
/// <param name="onlySquares">True where only <see cref="SquaredColumns"/> is wanted, which costs next to nothing; Y is then not looked at.</param>
/// <param name="cancellation">Stops a sample of many rows.</param>
public sealed class RegressionStatistic(TensorRows xRows, TensorRows yRows, int maxRowsPerSample, bool onlySquares = false, CancellationToken cancellation = default) : PairStatistic
{
    /// <summary>Beyond it products of elements, and sums of 256 of them, may leave the range of binary32.</summary>
    private const float MaxMagnitude = 1e18f;

    private GatheredRows[][] moments = [];
    private double[][] squares = [];

    /// <summary>Columns of X in one group; 0 before the first sample.</summary>
    public int XWidth { get; private set; }

    /// <summary>Columns of Y in one group.</summary>
    public int YWidth { get; private set; }

    /// <summary>Number of groups.</summary>
    public int Groups => xRows.Groups;

    /// <summary>Rows and columns of <see cref="Moments"/>: those of X, a one, those of Y.</summary>
    public int Width => XWidth + 1 + YWidth;

    /// <summary>False if the tensors of a sample did not fit together or held NaN, infinities or numbers too large to be squared; it was left out.</summary>
    public bool IsConsistent { get; private set; } = true;

    /// <summary>ZᵀZ with Z = [X, 1, Y], row-major, of the even (0) or odd (1) samples; empty before the first sample.</summary>
    public ReadOnlySpan<double> Moments(int half, int group) => group < moments.Length ? moments[group][half].Matrix() : [];

    /// <summary>True if the rows Z = [X, 1, Y] are fewer than half of their length, and so better than their moments.</summary>
    public bool HasFewRows => moments.Length > 0 && moments[0].All(h => h.AreKept) && moments[0].Sum(h => h.Count) * 2 < XWidth;

    /// <summary>The rows Z of the even (0) or odd (1) samples, if there are few.</summary>
    /// <exception cref="InvalidOperationException"><see cref="HasFewRows"/> is false.</exception>
    public ReadOnlySpan<float> Rows(int half, int group) => HasFewRows ? moments[group][half].Kept : throw new InvalidOperationException("Only moments were kept.");

    /// <summary>Σ x² per column of X over all samples.</summary>
    public double[] SquaredColumns(int group)
    {
        if (onlySquares) return squares[group];
        var sums = new double[XWidth];
        for (int half = 0; half < 2; half++)
        {
            if (HasFewRows)
            {
                var rows = Rows(half, group);
                for (int r = 0; r < rows.Length; r += Width)
                    for (int i = 0; i < sums.Length; i++) sums[i] += (double)rows[r + i] * rows[r + i];
            }
            else
            {
                var matrix = Moments(half, group);
                for (int i = 0; i < sums.Length; i++) sums[i] += matrix[i * (Width + 1)];
            }
        }

        return sums;
    }

    /// <inheritdoc/>
    public override void Measure(TensorView x, TensorView y)
    {
        if (onlySquares)
        {
            MeasureSquares(x);
            return;
        }

        if (!xRows.TryMeasure(x.Shape, out long count, out int xWidth) || !yRows.TryMeasure(y.Shape, out long yCount, out int yWidth) || count != yCount || yWidth % Groups != 0
            || (XWidth != 0 && (xWidth != XWidth || yWidth / Groups != YWidth)) || !AreUsable(x.Data) || !AreUsable(y.Data))
        {
            IsConsistent = false;
            return;
        }

        if (XWidth == 0) Start(xWidth, yWidth / Groups);
        long step = Math.Max(1, (count + maxRowsPerSample - 1) / maxRowsPerSample), taken = (count + step - 1) / step;
        int block = (int)Math.Min(taken, GramKernel.BlockRows);
        float[] xBuffer = new float[block * xWidth], yBuffer = new float[block * yWidth], joined = new float[Width];
        joined[XWidth] = 1;
        for (int g = 0; g < Groups; g++)
        {
            for (long first = 0; first < taken; first += block)
            {
                int rows = (int)Math.Min(block, taken - first);
                xRows.Copy(x, g, first * step, step, xBuffer.AsSpan(0, rows * xWidth));
                yRows.Copy(y, 0, first * step, step, yBuffer.AsSpan(0, rows * yWidth));
                for (int r = 0; r < rows; r++)
                {
                    xBuffer.AsSpan(r * XWidth, XWidth).CopyTo(joined);
                    yBuffer.AsSpan((r * yWidth) + (g * YWidth), YWidth).CopyTo(joined.AsSpan(XWidth + 1));
                    moments[g][x.Sample & 1].Add(joined);
                }
            }
        }
    }

    private void MeasureSquares(TensorView x)
    {
        if (!xRows.TryMeasure(x.Shape, out long count, out int width) || (XWidth != 0 && width != XWidth) || !AreUsable(x.Data))
        {
            IsConsistent = false;
            return;
        }

        XWidth = width;
        if (squares.Length == 0) squares = [.. Enumerable.Range(0, Groups).Select(_ => new double[width])];
        long step = Math.Max(1, (count + maxRowsPerSample - 1) / maxRowsPerSample);
        var row = new float[width];
        for (int g = 0; g < Groups; g++)
            for (long r = 0; r < count; r += step)
            {
                xRows.Copy(x, g, r, step, row);
                for (int i = 0; i < row.Length; i++) squares[g][i] += (double)row[i] * row[i];
            }
    }

    private void Start(int xWidth, int yWidth)
    {
        (XWidth, YWidth) = (xWidth, yWidth);
        moments = new GatheredRows[Groups][];
        for (int g = 0; g < Groups; g++) moments[g] = [new GatheredRows(Width, cancellation), new GatheredRows(Width, cancellation)];
    }

    /// <summary>False for NaN, too.</summary>
    private static bool AreUsable(ReadOnlySpan<float> values) => values.IsEmpty || TensorPrimitives.MaxMagnitude(values) is >= -MaxMagnitude and <= MaxMagnitude;
}
