using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.Products;

/// <summary>The gradient of the weight of a convolution with one filter per channel: for every channel and window element the sum of products over positions.</summary>
/// <remarks>Channels are lanes. Sums over a line of positions are added in order: the result does not depend on the width of vectors.</remarks>
internal sealed class DepthwiseWeightGradient : WeightGradient
{
    private readonly ConvolutionSizes sizes;
    private readonly int stride;
    private readonly int usualStride;
    private readonly float[] line;
    private readonly LineAligned sums;
    private readonly float[] zeros;
    private readonly float[] result;

    /// <summary>Makes room for a convolution.</summary>
    public DepthwiseWeightGradient(ConvolutionSizes sizes) : base(sizes)
    {
        this.sizes = sizes;
        usualStride = sizes.UsualStride;
        stride = (sizes.Channels + Vector - 1) / Vector * Vector;
        line = new float[sizes.Columns.Positions * stride];
        sums = new(sizes.Rows.Kernel * sizes.Columns.Kernel * stride);
        zeros = new float[sizes.Columns.Input * sizes.Channels];
        result = new float[sizes.WeightLength];
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Result => result;

    /// <inheritdoc/>
    public override void Begin() => sums.Span.Clear();

    /// <inheritdoc/>
    protected override bool AddRows(ReadOnlySpan<float> x, ReadOnlySpan<float> dy)
    {
        if (sizes.Channels % Vector != 0) return false;
        if (usualStride > 0 && Vector512.IsHardwareAccelerated) AddUsual<SixteenLanes>(x, dy);
        else if (usualStride > 0) AddUsual<EightLanes>(x, dy);
        else if (Vector512.IsHardwareAccelerated) AddRows<SixteenLanes>(x, dy);
        else AddRows<EightLanes>(x, dy);
        return true;
    }

    /// <inheritdoc/>
    protected override void AddSample(ReadOnlySpan<float> dy, int sample, bool hasRows)
    {
        var (rows, columns) = (sizes.Rows, sizes.Columns);
        dy = dy[(sample * rows.Positions * columns.Positions * sizes.Channels)..];
        for (int y = 0; y < rows.Positions; y++)
        {
            ToRows(dy, hasRows, y * columns.Positions, columns.Positions, line, stride);
            for (int ky = 0; ky < rows.Kernel; ky++)
                for (int kx = 0; kx < columns.Kernel; kx++)
                {
                    int pixel = (((y * rows.Stride) + (ky * rows.Dilation)) * columns.Reach) + (kx * columns.Dilation);
                    for (int c = 0; c < sizes.Channels; c += EightLanes.Count)
                        AddLine<EightLanes>(ref line[c], stride, ref Pixels[(pixel * sizes.Channels) + c], columns.Stride * sizes.Channels, columns.Positions, ref sums.Span[(((ky * columns.Kernel) + kx) * stride) + c]);
                }
        }
    }

    /// <inheritdoc/>
    public override void End()
    {
        int kernel = sizes.Rows.Kernel * sizes.Columns.Kernel;
        for (int c = 0; c < sizes.Channels; c++)
            for (int k = 0; k < kernel; k++) result[(c * kernel) + k] = sums.Span[(k * stride) + c];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddRows<T>(ReadOnlySpan<float> x, ReadOnlySpan<float> dy) where T : struct, IVectorLanes<T>
    {
        var (rows, columns) = (sizes.Rows, sizes.Columns);
        for (int n = 0; n < sizes.Samples; n++)
            for (int c = 0; c < sizes.Channels; c += T.Count)
                for (int y = 0; y < rows.Positions; y++)
                    for (int ky = 0; ky < rows.Kernel; ky++)
                    {
                        int row = (y * rows.Stride) + (ky * rows.Dilation) - rows.Pad;
                        if (row < 0 || row >= rows.Input) continue;
                        var line = new Line(
                            dy[(((((n * rows.Positions) + y) * columns.Positions) * sizes.Channels) + c)..],
                            x[(((((n * rows.Input) + row) * columns.Input) * sizes.Channels) + c)..],
                            sums.Span[((ky * columns.Kernel * stride) + c)..]);
                        AddLine<T>(line);
                    }
    }

    /// <summary>Usual windows: row k of the kernel meets line y · stride + k − 1 from line y of positions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddUsual<T>(ReadOnlySpan<float> x, ReadOnlySpan<float> dy) where T : struct, IVectorLanes<T>
    {
        int channels = sizes.Channels, positions = sizes.Columns.Positions;
        for (int n = 0; n < sizes.Samples; n++)
            for (int y = 0; y < sizes.Rows.Positions; y++)
            {
                int row = y * sizes.Rows.Stride;
                ReadOnlySpan<float> above = InputLine(x, n, row - 1), at = InputLine(x, n, row), below = InputLine(x, n, row + 1), gradient = dy.Slice(((n * sizes.Rows.Positions) + y) * positions * channels, positions * channels);
                for (int c = 0; c < channels; c += T.Count)
                {
                    var lines = new ThreeLines(above[c..], at[c..], below[c..]);
                    ref float g = ref Unsafe.AsRef(in gradient[c]);
                    if (usualStride == 1) DepthwiseLines.WeightByOne<T>(ref g, lines, channels, positions, ref sums.Span[c], stride);
                    else DepthwiseLines.WeightByTwo<T>(ref g, lines, channels, positions, ref sums.Span[c], stride);
                }
            }
    }

    /// <summary>A line of the input; zeros above and below.</summary>
    private ReadOnlySpan<float> InputLine(ReadOnlySpan<float> x, int sample, int line) =>
        line < 0 || line >= sizes.Rows.Input ? zeros : x.Slice(((sample * sizes.Rows.Input) + line) * zeros.Length, zeros.Length);

    /// <summary>A line of positions and the line of elements that a row of the kernel meets.</summary>
    private readonly ref struct Line(ReadOnlySpan<float> gradient, ReadOnlySpan<float> elements, Span<float> sums)
    {
        public readonly ref float Gradient = ref MemoryMarshal.GetReference(gradient);
        public readonly ref float Elements = ref MemoryMarshal.GetReference(elements);
        public readonly ref float Sums = ref MemoryMarshal.GetReference(sums);
    }

    /// <summary>Three window elements at a time, whose sums do not wait for each other; one at a time where some of them are in the padding.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddLine<T>(Line line) where T : struct, IVectorLanes<T>
    {
        var columns = sizes.Columns;
        for (int k = 0; k < columns.Kernel; k += 3)
        {
            int count = Math.Min(3, columns.Kernel - k);
            var (from, to) = count == 3 ? (First(k), Math.Max(First(k), End(k + 2))) : (0, 0);
            for (int i = k; i < k + count; i++)
            {
                int first = First(i), end = End(i);
                if (from == to) AddOne<T>(line, i, first, end);
                else
                {
                    AddOne<T>(line, i, first, Math.Min(from, end));
                    AddOne<T>(line, i, Math.Max(to, first), end);
                }
            }

            if (from < to) AddThree<T>(line, k, from, to);
        }
    }

    /// <summary>The first position whose window element <paramref name="k"/> is not in the padding.</summary>
    private int First(int k) => Math.Max(0, (sizes.Columns.Pad - (k * sizes.Columns.Dilation) + sizes.Columns.Stride - 1) / sizes.Columns.Stride);

    /// <summary>The first position behind those.</summary>
    private int End(int k)
    {
        int last = sizes.Columns.Input - 1 + sizes.Columns.Pad - (k * sizes.Columns.Dilation);
        return last < 0 ? 0 : Math.Min(sizes.Columns.Positions, (last / sizes.Columns.Stride) + 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddThree<T>(Line line, int k, int from, int to) where T : struct, IVectorLanes<T>
    {
        nint gradientStep = sizes.Channels, elementStep = (nint)sizes.Columns.Stride * sizes.Channels, next = (nint)sizes.Columns.Dilation * sizes.Channels;
        ref float gradient = ref Unsafe.Add(ref line.Gradient, from * gradientStep);
        ref float element = ref Unsafe.Add(ref line.Elements, ElementAt(k, from));
        var (a, b, c) = (T.Fill(0), T.Fill(0), T.Fill(0));
        for (int i = from; i < to; i++)
        {
            var g = T.Load(ref gradient);
            a = T.MultiplyAdd(g, T.Load(ref element), a);
            b = T.MultiplyAdd(g, T.Load(ref Unsafe.Add(ref element, next)), b);
            c = T.MultiplyAdd(g, T.Load(ref Unsafe.Add(ref element, 2 * next)), c);
            gradient = ref Unsafe.Add(ref gradient, gradientStep);
            element = ref Unsafe.Add(ref element, elementStep);
        }

        AddTo(ref Unsafe.Add(ref line.Sums, k * stride), a);
        AddTo(ref Unsafe.Add(ref line.Sums, (k + 1) * stride), b);
        AddTo(ref Unsafe.Add(ref line.Sums, (k + 2) * stride), c);
    }

    private void AddOne<T>(Line line, int k, int from, int to) where T : struct, IVectorLanes<T>
    {
        if (from >= to) return;
        AddLine<T>(ref Unsafe.Add(ref line.Gradient, from * sizes.Channels), sizes.Channels, ref Unsafe.Add(ref line.Elements, ElementAt(k, from)), sizes.Columns.Stride * sizes.Channels, to - from,
            ref Unsafe.Add(ref line.Sums, k * stride));
    }

    private int ElementAt(int k, int position) => ((position * sizes.Columns.Stride) + (k * sizes.Columns.Dilation) - sizes.Columns.Pad) * sizes.Channels;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo<T>(ref float sum, T value) where T : struct, IVectorLanes<T> => T.Add(T.Load(ref sum), value).Store(ref sum);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddLine<T>(ref float gradient, int gradientStep, ref float pixel, int pixelStep, int count, ref float sum) where T : struct, IVectorLanes<T>
    {
        var total = T.Fill(0);
        for (int i = 0; i < count; i++)
        {
            total = T.MultiplyAdd(T.Load(ref gradient), T.Load(ref pixel), total);
            gradient = ref Unsafe.Add(ref gradient, gradientStep);
            pixel = ref Unsafe.Add(ref pixel, pixelStep);
        }

        AddTo(ref sum, total);
    }
}
