using System.Runtime.CompilerServices;

namespace ModelCompression.Numerics.Products;

/// <summary>The gradient of the weight of a convolution without groups.</summary>
/// <remarks>
/// ∂W = Dᵀ·cols(X), a row per window position of every sample: D [position, M], cols(X) [position, kernel·C] with the elements that the window meets there. Rows are written in blocks that stay in the
/// cache. Channels come last, so that a window element is a run of memory. Products are those of <see cref="RowProducts"/>: results do not depend on threads or the width of vectors.
/// </remarks>
internal sealed class DenseWeightGradient : WeightGradient
{
    /// <summary>Elements of a block of rows, 256 KiB.</summary>
    private const int BlockLength = 1 << 16;

    /// <summary>Most rows of a block: sums of few products lose little precision.</summary>
    private const int MaxBlockRows = 128;

    private const int MinBlockRows = 32;

    private readonly ConvolutionSizes sizes;
    private readonly RowBlock left;
    private readonly RowBlock right;
    private readonly float[] sums;
    private readonly float[] ordered;
    private readonly int blockRows;

    /// <summary>Makes room for a convolution.</summary>
    public DenseWeightGradient(ConvolutionSizes sizes) : base(sizes)
    {
        this.sizes = sizes;
        int columns = sizes.Channels * sizes.Rows.Kernel * sizes.Columns.Kernel;
        (left, right, sums) = (RowBlock.OfRows(sizes.Filters, RowProducts.TileRows), RowBlock.OfRows(columns, RowProducts.TileColumns), new float[sizes.WeightLength]);
        ordered = sizes.Rows.Kernel * sizes.Columns.Kernel == 1 || sizes.Channels == 1 ? sums : new float[sums.Length];
        blockRows = Math.Clamp(BlockLength / (left.Stride + right.Stride), MinBlockRows, MaxBlockRows);
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Result => ordered;

    /// <inheritdoc/>
    protected override void Begin() => Array.Clear(sums);

    /// <inheritdoc/>
    protected override void End()
    {
        Flush();
        Order();
    }

    /// <inheritdoc/>
    protected override void AddSample(ReadOnlySpan<float> dy, bool hasRows)
    {
        int positions = sizes.Rows.Positions * sizes.Columns.Positions;
        for (int first = 0; first < positions;)
        {
            int count = Math.Min(blockRows - left.Count, positions - first);
            int row = left.Extend(count);
            right.Extend(count);
            ToRows(dy, hasRows, first, count, left.Elements.AsSpan(row * left.Stride), left.Stride);
            CopyWindows(first, row, count);
            first += count;
            if (left.Count == blockRows) Flush();
        }
    }

    /// <summary>What the window meets at some positions, kernel-major, to rows from <paramref name="row"/> on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void CopyWindows(int position, int row, int count)
    {
        var (rows, columns, channels) = (sizes.Rows, sizes.Columns, sizes.Channels);
        // Neighbours in the kernel are neighbours in memory.
        int runs = columns.Dilation == 1 ? 1 : columns.Kernel, length = columns.Dilation == 1 ? columns.Kernel * channels : channels;
        while (count > 0)
        {
            int y = position / columns.Positions, x = position % columns.Positions, part = Math.Min(count, columns.Positions - x);
            for (int ky = 0; ky < rows.Kernel; ky++)
                for (int run = 0; run < runs; run++)
                {
                    int source = ((((y * rows.Stride) + (ky * rows.Dilation)) * columns.Reach) + (x * columns.Stride) + (run * columns.Dilation)) * channels;
                    CopyRuns(ref Pixels[source], columns.Stride * channels, ref right.Elements[(row * right.Stride) + (((ky * runs) + run) * length)], right.Stride, part, length);
                }

            position += part;
            row += part;
            count -= part;
        }
    }

    private void Flush()
    {
        if (left.Count > 0) RowProducts.Add(left, right, sums);
        left.Clear();
        right.Clear();
    }

    /// <summary>From [M, kernel, C] to [M, C, kernel].</summary>
    private void Order()
    {
        int kernel = sizes.Rows.Kernel * sizes.Columns.Kernel, channels = sizes.Channels;
        for (int m = 0; m < sizes.Filters && sums != ordered; m++)
            Planes.ToPixels(sums.AsSpan(m * kernel * channels), channels, kernel, channels, ordered.AsSpan(m * kernel * channels), kernel);
    }
}
