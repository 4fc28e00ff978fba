using ModelCompression.Numerics;

namespace ModelCompression.Statistics;

/// <summary>Gram matrix XᵀX of the rows a linear operator multiplies with its weights, per group: the Hessian of a layer's squared error but for a factor.</summary>
/// <param name="rows">How the tensor is seen as rows.</param>
/// <param name="maxRowsPerSample">Of more rows, evenly spaced ones are taken: neighbouring windows of an image tell little new.</param>
public sealed class GramStatistic(TensorRows rows, int maxRowsPerSample = int.MaxValue) : TensorStatistic
{
    private float[][] matrices = [];

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

    /// <summary>The matrix of one group: K·K elements, row-major, symmetric; empty before the first sample.</summary>
    public ReadOnlySpan<float> Matrix(int group) => group < matrices.Length ? matrices[group] : [];

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
            for (int g = 0; g < matrices.Length; g++) matrices[g] = new float[checked(width * width)];
        }

        long step = Math.Max(1, (count + maxRowsPerSample - 1) / maxRowsPerSample), taken = (count + step - 1) / step;
        for (int g = 0; g < matrices.Length; g++) Add(x, g, taken, step);
        RowCount += taken;
        return null;
    }

    /// <inheritdoc/>
    public override void Merge(object? partial)
    {
    }

    private void Add(TensorView x, int group, long taken, long step)
    {
        int block = (int)Math.Min(taken, GramKernel.BlockRows);
        float[] buffer = new float[block * Width];
        for (long first = 0; first < taken; first += block)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(block, taken - first) * Width);
            rows.Copy(x, group, first * step, step, part);
            GramKernel.Add(buffer, part.Length / Width, Width, matrices[group]);
        }
    }
}
