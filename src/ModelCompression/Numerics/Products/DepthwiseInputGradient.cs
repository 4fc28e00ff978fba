using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ModelCompression.Numerics.Products;

/// <summary><see cref="InputGradient"/> of a convolution with one filter per channel. Channels are lanes; a line of pixels is summed in the first cache.</summary>
internal sealed class DepthwiseInputGradient : InputGradient
{
    private readonly ConvolutionSizes sizes;
    private readonly int usualStride;
    private readonly LineAligned weight;
    private readonly LineAligned line;
    private readonly float[] zeros;

    /// <summary>Takes a weight [C, 1, kernel].</summary>
    public DepthwiseInputGradient(ConvolutionSizes sizes, ReadOnlySpan<float> weight)
    {
        this.sizes = sizes;
        usualStride = sizes.UsualStride;
        this.weight = new(weight.Length);
        line = new(sizes.Columns.Input * Vector);
        zeros = new float[sizes.Columns.Positions * sizes.Channels];
        int kernel = sizes.Rows.Kernel * sizes.Columns.Kernel;
        for (int i = 0; i < weight.Length; i++) this.weight.Span[(i % kernel * sizes.Channels) + (i / kernel)] = weight[i];
    }

    /// <inheritdoc/>
    public override void Compute(ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ActivationLimits limits, Span<float> dx)
    {
        if (usualStride > 0 && IsWide) ComputeUsual<SixteenLanes>(dy, x, limits, dx);
        else if (usualStride > 0) ComputeUsual<EightLanes>(dy, x, limits, dx);
        else if (IsWide) Compute<SixteenLanes>(dy, x, limits, dx);
        else Compute<EightLanes>(dy, x, limits, dx);
    }

    /// <summary>Usual windows: row k of the kernel meets line y from the position (y + 1 − k) / stride.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ComputeUsual<T>(ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ActivationLimits limits, Span<float> dx) where T : struct, IVectorLanes<T>
    {
        int channels = sizes.Channels, positions = sizes.Columns.Positions, length = sizes.Columns.Input * channels;
        var w = weight.Span;
        for (int n = 0; n < sizes.Samples; n++)
            for (int y = 0; y < sizes.Rows.Input; y++)
            {
                int first = ((n * sizes.Rows.Input) + y) * length;
                var input = x.Slice(first, length);
                var result = dx.Slice(first, length);
                ReadOnlySpan<float> after = Line(dy, n, y + 1), at = Line(dy, n, y), before = Line(dy, n, y - 1);
                for (int c = 0; c < channels; c += T.Count)
                {
                    if (usualStride == 1) DepthwiseLines.InputByOne<T>(new(after[c..], at[c..], before[c..]), ref w[c], channels, positions, ref Unsafe.AsRef(in input[c]), limits, ref result[c]);
                    else if (y % 2 == 0) DepthwiseLines.InputByTwo<T>(new(at[c..], zeros.AsSpan(c), default), ref w[(3 * channels) + c], ref w[c], channels, positions, ref Unsafe.AsRef(in input[c]), limits, ref result[c]);
                    else DepthwiseLines.InputByTwo<T>(new(after[c..], before[c..], default), ref w[c], ref w[(6 * channels) + c], channels, positions, ref Unsafe.AsRef(in input[c]), limits, ref result[c]);
                }
            }
    }

    /// <summary>A line of ∂y by its first element's distance from the first line; zeros above and below.</summary>
    private ReadOnlySpan<float> Line(ReadOnlySpan<float> dy, int sample, int distance)
    {
        int line = distance / usualStride;
        return distance < 0 || line >= sizes.Rows.Positions ? zeros : dy.Slice(((sample * sizes.Rows.Positions) + line) * zeros.Length, zeros.Length);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Compute<T>(ReadOnlySpan<float> dy, ReadOnlySpan<float> x, ActivationLimits limits, Span<float> dx) where T : struct, IVectorLanes<T>
    {
        var (rows, columns) = (sizes.Rows, sizes.Columns);
        for (int n = 0; n < sizes.Samples; n++)
            for (int y = 0; y < rows.Input; y++)
                for (int c = 0; c < sizes.Channels; c += T.Count)
                {
                    line.Span.Clear();
                    for (int ky = 0; ky < rows.Kernel; ky++)
                    {
                        int position = y + rows.Pad - (ky * rows.Dilation);
                        if (position < 0 || position % rows.Stride != 0 || position / rows.Stride >= rows.Positions) continue;
                        AddRow<T>(dy[((((((n * rows.Positions) + (position / rows.Stride)) * columns.Positions)) * sizes.Channels) + c)..], weight.Span[((ky * columns.Kernel * sizes.Channels) + c)..]);
                    }

                    int at = ((((n * rows.Input) + y) * columns.Input) * sizes.Channels) + c;
                    Write<T>(x[at..], limits, dx[at..]);
                }
    }

    /// <summary>Adds the shares of a row of positions through a row of the kernel; three neighbouring elements of it at a time where they all meet a pixel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddRow<T>(ReadOnlySpan<float> dy, ReadOnlySpan<float> w) where T : struct, IVectorLanes<T>
    {
        var axis = sizes.Columns;
        for (int k = 0; k < axis.Kernel; k++)
        {
            bool areThree = axis is { Stride: 1, Dilation: 1 } && k + 2 < axis.Kernel;
            if (areThree)
            {
                // Pixels that meet all three: positions x + pad − k, one less and two less.
                int from = Math.Max(0, k + 2 - axis.Pad), to = Math.Min(axis.Input, axis.Positions + k - axis.Pad);
                if (to > from)
                {
                    AddThree<T>(dy, w, k, from, to);
                    for (int i = k; i < k + 3; i++)
                    {
                        AddOne<T>(dy, w, i, 0, from);
                        AddOne<T>(dy, w, i, to, axis.Input);
                    }

                    k += 2;
                    continue;
                }
            }

            AddOne<T>(dy, w, k, 0, axis.Input);
        }
    }

    /// <summary>Adds the shares of one window element to the pixels of a range.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddOne<T>(ReadOnlySpan<float> dy, ReadOnlySpan<float> w, int k, int from, int to) where T : struct, IVectorLanes<T>
    {
        var axis = sizes.Columns;
        int shift = (k * axis.Dilation) - axis.Pad;
        int first = Math.Max(0, (from - shift + axis.Stride - 1) / axis.Stride), last = to - 1 - shift < 0 ? -1 : Math.Min(axis.Positions - 1, (to - 1 - shift) / axis.Stride);
        if (first > last) return;
        var factor = T.Load(ref MemoryMarshal.GetReference(w[(k * sizes.Channels)..]));
        ref float g = ref MemoryMarshal.GetReference(dy[(first * sizes.Channels)..]), sum = ref line.Span[((first * axis.Stride) + shift) * T.Count];
        for (int i = first; i <= last; i++)
        {
            T.MultiplyAdd(T.Load(ref g), factor, T.Load(ref sum)).Store(ref sum);
            g = ref Unsafe.Add(ref g, sizes.Channels);
            sum = ref Unsafe.Add(ref sum, axis.Stride * T.Count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddThree<T>(ReadOnlySpan<float> dy, ReadOnlySpan<float> w, int k, int from, int to) where T : struct, IVectorLanes<T>
    {
        nint step = sizes.Channels;
        ref float weights = ref MemoryMarshal.GetReference(w[(k * sizes.Channels)..]);
        var (p, q, r) = (T.Load(ref weights), T.Load(ref Unsafe.Add(ref weights, step)), T.Load(ref Unsafe.Add(ref weights, 2 * step)));
        ref float g = ref MemoryMarshal.GetReference(dy[((from + sizes.Columns.Pad - k - 2) * sizes.Channels)..]), sum = ref line.Span[from * T.Count];
        var (before, last) = (T.Load(ref g), T.Load(ref Unsafe.Add(ref g, step)));
        for (int i = from; i < to; i++)
        {
            var next = T.Load(ref Unsafe.Add(ref g, 2 * step));
            T.MultiplyAdd(next, p, T.MultiplyAdd(last, q, T.MultiplyAdd(before, r, T.Load(ref sum)))).Store(ref sum);
            (before, last) = (last, next);
            g = ref Unsafe.Add(ref g, step);
            sum = ref Unsafe.Add(ref sum, T.Count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Write<T>(ReadOnlySpan<float> x, ActivationLimits limits, Span<float> dx) where T : struct, IVectorLanes<T>
    {
        var (low, high) = (T.Fill(limits.Low), T.Fill(limits.High));
        int count = sizes.Columns.Input;
        _ = (x[((count - 1) * sizes.Channels) + T.Count - 1], dx[((count - 1) * sizes.Channels) + T.Count - 1]);
        ref float from = ref MemoryMarshal.GetReference(x), to = ref MemoryMarshal.GetReference(dx), sum = ref MemoryMarshal.GetReference(line.Span);
        for (nint i = 0; i < count; i++)
            T.Within(T.Load(ref Unsafe.Add(ref sum, i * T.Count)), T.Load(ref Unsafe.Add(ref from, i * sizes.Channels)), low, high).Store(ref Unsafe.Add(ref to, i * sizes.Channels));
    }
}
