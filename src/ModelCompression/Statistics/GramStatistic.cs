using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Gram matrix XᵀX of the rows a linear operator multiplies with its weights, per group: the Hessian of a layer's squared error but for a factor.</summary>
/// <param name="rows">How the tensor is seen as rows.</param>
/// <param name="maxRowsPerSample">Of more rows, evenly spaced ones are taken, others in every sample: neighbouring windows of an image tell little new.</param>
/// <param name="cancellation">Stops a sample of many rows.</param>
public sealed class GramStatistic(TensorRows rows, int maxRowsPerSample = int.MaxValue, CancellationToken cancellation = default) : TensorStatistic
{
    private readonly Lock gate = new();
    private float[][] matrices = [];
    private float[][] pending = [];
    private int pendingRows;
    private long measured;

    /// <summary>Row length K; 0 before the first sample.</summary>
    public int Width { get; private set; }

    /// <summary>Number of groups.</summary>
    public int Groups => rows.Groups;

    /// <summary>Rows added so far.</summary>
    public long RowCount { get; private set; }

    /// <summary>False if a sample had another row length, or a shape that does not fit; it was left out.</summary>
    public bool IsConsistent { get; private set; } = true;

    /// <inheritdoc/>
    public override bool MeasuresInOrder => true;

    /// <summary>The key under which passes share it.</summary>
    public static string Key(TensorRows rows, int maxRowsPerSample = int.MaxValue) => FormattableString.Invariant($"gram:{rows.Key}:{maxRowsPerSample}");

    /// <summary>The matrix of one group: K·K elements, row-major, symmetric; empty before the first sample. Several threads may ask at once.</summary>
    public ReadOnlySpan<float> Matrix(int group)
    {
        Flush();
        return group < matrices.Length ? matrices[group] : [];
    }

    /// <inheritdoc/>
    public override object? Measure(TensorView x)
    {
        if (!rows.TryMeasure(x.Shape, out long count, out int width) || (Width != 0 && width != Width))
        {
            IsConsistent = false;
            return null;
        }

        if (Width == 0)
        {
            Width = width;
            matrices = new float[rows.Groups][];
            pending = new float[rows.Groups][];
            for (int g = 0; g < matrices.Length; g++) (matrices[g], pending[g]) = (new float[checked(width * width)], new float[GramKernel.BlockRows * width]);
        }

        long step = Math.Max(1, (count + maxRowsPerSample - 1) / maxRowsPerSample);
        // Steps of the golden ratio begin elsewhere in every sample, so that no position of an image counts more than others.
        long offset = (long)Math.BigMul((ulong)measured++ * 0x9E3779B97F4A7C15, (ulong)step, out _);
        long taken = ((count - offset) + step - 1) / step;
        Add(x, offset, taken, step);
        RowCount += taken;
        return null;
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
    }

    /// <summary>Rows are gathered first: a pass over a large matrix for every sample of one row would take a multiple of the time.</summary>
    private void Add(TensorView x, long offset, long taken, long step)
    {
        for (long first = 0; first < taken;)
        {
            int block = (int)Math.Min(GramKernel.BlockRows - pendingRows, taken - first);
            for (int g = 0; g < pending.Length; g++) rows.Copy(x, g, offset + (first * step), step, pending[g].AsSpan(pendingRows * Width, block * Width));
            first += block;
            pendingRows += block;
            if (pendingRows == GramKernel.BlockRows) Flush();
        }
    }

    private void Flush()
    {
        lock (gate)
        {
            if (pendingRows == 0) return;
            for (int g = 0; g < matrices.Length; g++) GramKernel.Add(pending[g], pendingRows, Width, matrices[g], cancellation);
            pendingRows = 0;
        }
    }
}
