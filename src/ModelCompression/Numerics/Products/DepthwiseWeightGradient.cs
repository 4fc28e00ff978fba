using System.Runtime.CompilerServices;

namespace ModelCompression.Numerics.Products;

/// <summary>The gradient of the weight of a convolution with one filter per channel: for every channel and window element the sum of products over positions.</summary>
/// <remarks>Channels are lanes. Sums over a line of positions are added in order: the result does not depend on the width of vectors.</remarks>
internal sealed class DepthwiseWeightGradient : WeightGradient
{
    private readonly ConvolutionSizes sizes;
    private readonly int stride;
    private readonly float[] line;
    private readonly float[] sums;
    private readonly float[] result;

    /// <summary>Makes room for a convolution.</summary>
    public DepthwiseWeightGradient(ConvolutionSizes sizes) : base(sizes)
    {
        this.sizes = sizes;
        stride = (sizes.Channels + Vector - 1) / Vector * Vector;
        line = new float[sizes.Columns.Positions * stride];
        sums = new float[sizes.Rows.Kernel * sizes.Columns.Kernel * stride];
        result = new float[sizes.WeightLength];
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Result => result;

    /// <inheritdoc/>
    protected override void Begin() => Array.Clear(sums);

    /// <inheritdoc/>
    protected override void AddSample(ReadOnlySpan<float> dy, bool hasRows)
    {
        var (rows, columns) = (sizes.Rows, sizes.Columns);
        for (int y = 0; y < rows.Positions; y++)
        {
            ToRows(dy, hasRows, y * columns.Positions, columns.Positions, line, stride);
            for (int ky = 0; ky < rows.Kernel; ky++)
                for (int kx = 0; kx < columns.Kernel; kx++)
                {
                    int pixel = (((y * rows.Stride) + (ky * rows.Dilation)) * columns.Reach) + (kx * columns.Dilation);
                    for (int c = 0; c < sizes.Channels; c += EightLanes.Count)
                        AddLine(ref line[c], stride, ref Pixels[(pixel * sizes.Channels) + c], columns.Stride * sizes.Channels, columns.Positions, ref sums[(((ky * columns.Kernel) + kx) * stride) + c]);
                }
        }
    }

    /// <inheritdoc/>
    protected override void End()
    {
        int kernel = sizes.Rows.Kernel * sizes.Columns.Kernel;
        for (int c = 0; c < sizes.Channels; c++)
            for (int k = 0; k < kernel; k++) result[(c * kernel) + k] = sums[(k * stride) + c];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddLine(ref float gradient, int gradientStep, ref float pixel, int pixelStep, int count, ref float sum)
    {
        var total = EightLanes.Fill(0);
        for (int i = 0; i < count; i++)
        {
            total = EightLanes.MultiplyAdd(EightLanes.Load(ref gradient), EightLanes.Load(ref pixel), total);
            gradient = ref Unsafe.Add(ref gradient, gradientStep);
            pixel = ref Unsafe.Add(ref pixel, pixelStep);
        }

        EightLanes.Add(EightLanes.Load(ref sum), total).Store(ref sum);
    }
}
