using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ModelCompression.Numerics.Products;

/// <summary>The gradient of a convolution's weight from its input and the gradient of its output. Reused for equal convolutions.</summary>
internal abstract class WeightGradient
{
    /// <summary>Elements that are copied at a time.</summary>
    protected const int Vector = 16;

    private readonly ConvolutionSizes sizes;

    /// <summary>Makes room for a convolution.</summary>
    protected WeightGradient(ConvolutionSizes sizes)
    {
        this.sizes = sizes;
        // Whole vectors are read: some elements behind the last pixel, too.
        Pixels = new float[(sizes.Rows.Reach * sizes.Columns.Reach * sizes.Channels) + Vector];
    }

    /// <summary>The gradient at the last <see cref="End"/>, in the weight's layout.</summary>
    public abstract ReadOnlySpan<float> Result { get; }

    /// <summary>What windows of the present sample reach, padding included, channels last.</summary>
    protected float[] Pixels { get; }

    /// <summary>The kernel for a convolution.</summary>
    public static WeightGradient Create(ConvolutionSizes sizes) => sizes.IsDepthwise ? new DepthwiseWeightGradient(sizes) : new DenseWeightGradient(sizes);

    /// <summary>Starts from zero.</summary>
    public abstract void Begin();

    /// <summary>Adds the gradient of some samples.</summary>
    /// <param name="x">Input [N, C, H, W].</param>
    /// <param name="hasInputRows">True if it is [N, H, W, C].</param>
    /// <param name="dy">Gradient of the output [N, M, H', W'].</param>
    /// <param name="hasOutputRows">True if it is [N, H', W', M].</param>
    public void Add(ReadOnlySpan<float> x, bool hasInputRows, ReadOnlySpan<float> dy, bool hasOutputRows)
    {
        if (hasInputRows && hasOutputRows && AddRows(x, dy)) return;
        int input = sizes.InputLength / sizes.Samples;
        for (int n = 0; n < sizes.Samples; n++)
        {
            SpreadPixels(x.Slice(n * input, input), hasInputRows);
            AddSample(dy, n, hasOutputRows);
        }
    }

    /// <summary>Makes the result of what was added.</summary>
    public abstract void End();

    /// <summary>Adds the shares of all samples where both operands can be read as they are, channels last.</summary>
    /// <returns>False if they cannot.</returns>
    protected virtual bool AddRows(ReadOnlySpan<float> x, ReadOnlySpan<float> dy) => false;

    /// <summary>Adds the share of the sample in <see cref="Pixels"/>.</summary>
    /// <param name="dy">Gradient of the output, of all samples.</param>
    /// <param name="sample">Number of the sample.</param>
    /// <param name="hasRows">True if the gradient's channels are last.</param>
    protected abstract void AddSample(ReadOnlySpan<float> dy, int sample, bool hasRows);

    /// <summary>Rows of the gradient of a sample's output, channels last.</summary>
    /// <param name="dy">The sample's.</param>
    /// <param name="hasRows">True if its channels are last.</param>
    /// <param name="first">First position.</param>
    /// <param name="count">Positions.</param>
    /// <param name="target">Rows.</param>
    /// <param name="stride">Distance between them, whole vectors at least.</param>
    protected void ToRows(ReadOnlySpan<float> dy, bool hasRows, int first, int count, Span<float> target, int stride)
    {
        if (hasRows) CopyRows(dy.Slice(first * sizes.Filters, count * sizes.Filters), target, stride, sizes.Filters);
        else Planes.ToPixels(dy[first..], sizes.Rows.Positions * sizes.Columns.Positions, sizes.Filters, count, target, stride);
    }

    /// <summary>Copies runs of elements in whole vectors: what is written beyond the end of one is overwritten by the next window element.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected static void CopyRuns(ref float source, int sourceStep, ref float target, int targetStep, int count, int length)
    {
        for (int i = 0; i < count; i++)
        {
            for (int c = 0; c < length; c += Vector) Vector512.LoadUnsafe(ref source, (nuint)c).StoreUnsafe(ref target, (nuint)c);
            source = ref Unsafe.Add(ref source, sourceStep);
            target = ref Unsafe.Add(ref target, targetStep);
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
            var target = Pixels.AsSpan((((y + rows.Pad) * columns.Reach) + from + columns.Pad) * channels);
            if (hasRows) x.Slice(source * channels, count * channels).CopyTo(target);
            else Planes.ToPixels(x[source..], rows.Input * columns.Input, channels, count, target, channels);
        }
    }

    private static void CopyRows(ReadOnlySpan<float> source, Span<float> target, int targetStep, int length)
    {
        // Whole vectors do not reach beyond the last row.
        if (length % Vector == 0) CopyRuns(ref MemoryMarshal.GetReference(source), length, ref MemoryMarshal.GetReference(target), targetStep, source.Length / length, length);
        else
            for (int i = 0; i * length < source.Length; i++) source.Slice(i * length, length).CopyTo(target[(i * targetStep)..]);
    }
}
