using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.Products;

/// <summary>The gradient of a convolution's weight from its input and the gradient of its output. Reused for equal convolutions.</summary>
/// <remarks>
/// ∂W = Dᵀ·cols(X), a row per window position of every sample: D [position, M], cols(X) [position, kernel·C] with the elements that the window meets there. Rows are written in blocks that stay in the
/// cache. Channels come last, so that a window element is a run of memory. Products are those of <see cref="RowProducts"/>: results do not depend on threads or the width of vectors.
/// </remarks>
internal sealed class WeightGradient
{
    /// <summary>Elements of a block of rows, 256 KiB.</summary>
    private const int BlockLength = 1 << 16;

    /// <summary>Most rows of a block: sums of few products lose little precision.</summary>
    private const int MaxBlockRows = 128;

    private const int MinBlockRows = 32;
    private const int Vector = 16;

    private readonly ConvolutionSizes sizes;
    private readonly RowBlock left;
    private readonly RowBlock right;
    private readonly float[] sums;
    private readonly float[] ordered;
    private readonly float[] pixels;
    private readonly int blockRows;

    /// <summary>Makes room for a convolution.</summary>
    public WeightGradient(ConvolutionSizes sizes)
    {
        this.sizes = sizes;
        int columns = sizes.Channels * sizes.Rows.Kernel * sizes.Columns.Kernel;
        (left, right, sums) = (RowBlock.OfRows(sizes.Filters, RowProducts.TileRows), RowBlock.OfRows(columns, RowProducts.TileColumns), new float[sizes.WeightLength]);
        ordered = sizes.Rows.Kernel * sizes.Columns.Kernel == 1 || sizes.Channels == 1 ? sums : new float[sums.Length];
        // Whole vectors are copied: some elements behind the last pixel are read, too.
        pixels = new float[(sizes.Rows.Reach * sizes.Columns.Reach * sizes.Channels) + Vector];
        blockRows = Math.Clamp(BlockLength / (left.Stride + right.Stride), MinBlockRows, MaxBlockRows);
    }

    /// <summary>The gradient that was computed last, [M, C, kernel].</summary>
    public ReadOnlySpan<float> Result => ordered;

    /// <summary>Computes the gradient.</summary>
    /// <param name="x">Input [N, C, H, W].</param>
    /// <param name="hasInputRows">True if it is [N, H, W, C].</param>
    /// <param name="dy">Gradient of the output [N, M, H', W'].</param>
    /// <param name="hasOutputRows">True if it is [N, H', W', M].</param>
    public void Compute(ReadOnlySpan<float> x, bool hasInputRows, ReadOnlySpan<float> dy, bool hasOutputRows)
    {
        Array.Clear(sums);
        int input = sizes.InputLength / sizes.Samples, output = sizes.OutputLength / sizes.Samples;
        for (int n = 0; n < sizes.Samples; n++) AddSample(x.Slice(n * input, input), hasInputRows, dy.Slice(n * output, output), hasOutputRows);
        Flush();
        Order();
    }

    private void AddSample(ReadOnlySpan<float> x, bool hasInputRows, ReadOnlySpan<float> dy, bool hasOutputRows)
    {
        SpreadPixels(x, hasInputRows);
        int positions = sizes.Rows.Positions * sizes.Columns.Positions;
        for (int first = 0; first < positions;)
        {
            int count = Math.Min(blockRows - left.Count, positions - first);
            int row = left.Extend(count);
            right.Extend(count);
            var target = left.Elements.AsSpan(row * left.Stride);
            if (hasOutputRows) CopyRows(dy.Slice(first * sizes.Filters, count * sizes.Filters), target, left.Stride, sizes.Filters);
            else Planes.ToPixels(dy[first..], positions, sizes.Filters, count, target, left.Stride);
            CopyWindows(first, row, count);
            first += count;
            if (left.Count == blockRows) Flush();
        }
    }

    /// <summary>The sample with its padding, channels last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void SpreadPixels(ReadOnlySpan<float> x, bool hasRows)
    {
        var (rows, columns, channels) = (sizes.Rows, sizes.Columns, sizes.Channels);
        int from = Math.Max(0, -columns.Pad), count = Math.Min(columns.Input, columns.Reach - columns.Pad) - from;
        for (int y = Math.Max(0, -rows.Pad); y < Math.Min(rows.Input, rows.Reach - rows.Pad) && count > 0; y++)
        {
            int source = (y * columns.Input) + from;
            var target = pixels.AsSpan((((y + rows.Pad) * columns.Reach) + from + columns.Pad) * channels);
            if (hasRows) x.Slice(source * channels, count * channels).CopyTo(target);
            else Planes.ToPixels(x[source..], rows.Input * columns.Input, channels, count, target, channels);
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
                    CopyRuns(ref pixels[source], columns.Stride * channels, ref right.Elements[(row * right.Stride) + (((ky * runs) + run) * length)], right.Stride, part, length);
                }

            position += part;
            row += part;
            count -= part;
        }
    }

    /// <summary>Copies runs of elements in whole vectors: what is written beyond the end of one is overwritten by the next window element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyRuns(ref float source, int sourceStep, ref float target, int targetStep, int count, int length)
    {
        for (int i = 0; i < count; i++)
        {
            for (int c = 0; c < length; c += Vector) Vector512.LoadUnsafe(ref source, (nuint)c).StoreUnsafe(ref target, (nuint)c);
            source = ref Unsafe.Add(ref source, sourceStep);
            target = ref Unsafe.Add(ref target, targetStep);
        }
    }

    private static void CopyRows(ReadOnlySpan<float> source, Span<float> target, int targetStep, int length)
    {
        // Whole vectors do not reach beyond the last row.
        if (length % Vector == 0) CopyRuns(ref MemoryMarshal.GetReference(source), length, ref MemoryMarshal.GetReference(target), targetStep, source.Length / length, length);
        else
            for (int i = 0; i * length < source.Length; i++) source.Slice(i * length, length).CopyTo(target[(i * targetStep)..]);
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
