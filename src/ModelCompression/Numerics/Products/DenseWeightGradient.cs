using System.Runtime.CompilerServices;

namespace ModelCompression.Numerics.Products;

/// <summary>The gradient of the weight of a convolution without groups.</summary>
/// <remarks>
/// ∂W = Dᵀ·cols(X), a row per window position of every sample: D [position, M], cols(X) [position, kernel·C] with the elements that the window meets there. Rows are written in blocks that stay in the
/// cache. Channels come last, so that a window element is a run of memory. Products are those of <see cref="RowProducts"/>: results do not depend on threads or the width of vectors.
/// </remarks>
internal sealed class DenseWeightGradient : WeightGradient
{
    /// <summary>Elements of a block of rows, 512 KiB.</summary>
    private const int BlockLength = 1 << 17;

    /// <summary>Most rows of a block: sums of few products lose little precision.</summary>
    private const int MaxBlockRows = 128;

    private const int MinBlockRows = 32;

    private readonly ConvolutionSizes sizes;
    private readonly RowBlock gradients;
    private readonly RowBlock windows;
    private readonly float[] sums;
    private readonly float[] ordered;
    private readonly int blockRows;
    private readonly bool areWindowsFirst;
    private int firstRow;

    /// <summary>Makes room for a convolution.</summary>
    public DenseWeightGradient(ConvolutionSizes sizes) : base(sizes)
    {
        this.sizes = sizes;
        int columns = sizes.Channels * sizes.Rows.Kernel * sizes.Columns.Kernel;
        areWindowsFirst = RowProducts.Cost(columns, sizes.Filters) < RowProducts.Cost(sizes.Filters, columns);
        // Room for the widest tile: windows are copied in whole vectors, too.
        (gradients, windows) = (RowBlock.OfRows(sizes.Filters, RowProducts.TileColumns), RowBlock.OfRows(columns, RowProducts.TileColumns));
        sums = new float[sizes.WeightLength];
        ordered = !areWindowsFirst && (sizes.Rows.Kernel * sizes.Columns.Kernel == 1 || sizes.Channels == 1) ? sums : new float[sums.Length];
        blockRows = Math.Clamp(BlockLength / (gradients.Stride + windows.Stride), MinBlockRows, MaxBlockRows);
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Result => ordered;

    /// <inheritdoc/>
    public override void Begin() => Array.Clear(sums);

    /// <inheritdoc/>
    public override void End()
    {
        int kernel = sizes.Rows.Kernel * sizes.Columns.Kernel, channels = sizes.Channels;
        if (areWindowsFirst)
        {
            // From [kernel, C, M] to [M, C, kernel].
            for (int k = 0; k < kernel; k++)
                for (int c = 0; c < channels; c++)
                    for (int m = 0; m < sizes.Filters; m++) ordered[(((m * channels) + c) * kernel) + k] = sums[(((k * channels) + c) * sizes.Filters) + m];
            return;
        }

        // From [M, kernel, C].
        for (int m = 0; m < sizes.Filters && sums != ordered; m++)
            Planes.ToPixels(sums.AsSpan(m * kernel * channels), channels, kernel, channels, ordered.AsSpan(m * kernel * channels), kernel);
    }

    /// <inheritdoc/>
    protected override bool AddRows(ReadOnlySpan<float> x, ReadOnlySpan<float> dy)
    {
        bool isPointwise = IsPointwise(sizes.Rows) && IsPointwise(sizes.Columns);
        if (!isPointwise || areWindowsFirst || sizes.Filters < RowProducts.TileRows || sizes.Channels < RowProducts.NarrowTileColumns) return false;
        int count = dy.Length / sizes.Filters;
        for (int first = 0; first < count; first += MaxBlockRows)
        {
            int rows = Math.Min(MaxBlockRows, count - first);
            RowProducts.Add(new RowView(dy.Slice(first * sizes.Filters, rows * sizes.Filters), sizes.Filters), new RowView(x.Slice(first * sizes.Channels, rows * sizes.Channels), sizes.Channels), sums);
        }

        return true;

        static bool IsPointwise(WindowSizes axis) => axis is { Kernel: 1, Stride: 1, Pad: 0 } && axis.Input == axis.Positions;
    }

    /// <inheritdoc/>
    protected override void AddSample(ReadOnlySpan<float> dy, int sample, bool hasRows)
    {
        int positions = sizes.Rows.Positions * sizes.Columns.Positions;
        // Rows are read where they lie, if tiles fit into them.
        bool isDirect = hasRows && sizes.Filters >= (areWindowsFirst ? RowProducts.NarrowTileColumns : RowProducts.TileRows);
        for (int first = 0; first < positions;)
        {
            int count = Math.Min(blockRows - windows.Count, positions - first);
            int row = windows.Extend(count);
            if (row == 0) firstRow = (sample * positions) + first;
            CopyWindows(first, row, count);
            if (!isDirect)
            {
                gradients.Extend(count);
                ToRows(dy.Slice(sample * positions * sizes.Filters, positions * sizes.Filters), hasRows, first, count, gradients.Elements[(row * gradients.Stride)..], gradients.Stride);
            }

            first += count;
            bool isLast = sample == sizes.Samples - 1 && first == positions;
            if (windows.Count == blockRows || isLast) Flush(isDirect ? new RowView(dy.Slice(firstRow * sizes.Filters, windows.Count * sizes.Filters), sizes.Filters) : gradients);
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
                    CopyRuns(ref Pixels[source], columns.Stride * channels, ref windows.Elements[(row * windows.Stride) + (((ky * runs) + run) * length)], windows.Stride, part, length);
                }

            position += part;
            row += part;
            count -= part;
        }
    }

    private void Flush(RowView dy)
    {
        if (areWindowsFirst) RowProducts.Add(windows, dy, sums);
        else RowProducts.Add(dy, windows, sums);
        gradients.Clear();
        windows.Clear();
    }
}
