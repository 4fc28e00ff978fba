using ModelCompression.Analysis.Views;

namespace ModelCompression.Statistics;

/// <summary>Rows under the window of a convolution with one to three spatial axes (im2col).</summary>
internal sealed class WindowRows(ConvView convolution) : TensorRows
{
    private const int Axes = 3;

    private readonly WindowGeometry window = convolution.Window;

    public override int Groups => convolution.Group;

    public override string Key => FormattableString.Invariant(
        $"window {string.Join(',', window.Kernel)} by {string.Join(',', window.Strides)} at {string.Join(',', window.Dilations)} in {window.AutoPad} {string.Join(',', window.Pads)} of {convolution.InputChannelsPerGroup} in {convolution.Group}");

    public override bool TryMeasure(ReadOnlySpan<long> shape, out long rows, out int width)
    {
        (rows, width) = (0, 0);
        if (window.SpatialRank > Axes || shape.Length != window.SpatialRank + 2 || shape[1] != convolution.InputChannels) return false;
        var extents = Extents(shape);
        rows = shape[0] * extents.Output[0] * extents.Output[1] * extents.Output[2];
        width = checked(convolution.InputChannelsPerGroup * extents.Kernel[0] * extents.Kernel[1] * extents.Kernel[2]);
        return rows > 0;
    }

    public override void Copy(TensorView x, int group, long first, long step, Span<float> target)
    {
        var e = Extents(x.Shape);
        int channels = convolution.InputChannelsPerGroup, plane = e.Input[0] * e.Input[1] * e.Input[2];
        long positions = (long)e.Output[0] * e.Output[1] * e.Output[2];
        int kernel = e.Kernel[0] * e.Kernel[1] * e.Kernel[2];
        for (long row = first; !target.IsEmpty; row += step, target = target[(channels * kernel)..])
        {
            int batch = (int)(row / positions), position = (int)(row % positions);
            int z = (position / (e.Output[1] * e.Output[2]) * e.Stride[0]) - e.Begin[0];
            int y = (position / e.Output[2] % e.Output[1] * e.Stride[1]) - e.Begin[1];
            int w = (position % e.Output[2] * e.Stride[2]) - e.Begin[2];
            for (int c = 0; c < channels; c++)
                CopyWindow(x.Data.Slice(((batch * convolution.InputChannels) + (group * channels) + c) * plane, plane), e, z, y, w, target.Slice(c * kernel, kernel));
        }
    }

    private static void CopyWindow(ReadOnlySpan<float> plane, Geometry e, int z, int y, int w, Span<float> target)
    {
        int at = 0;
        for (int a = 0; a < e.Kernel[0]; a++)
        {
            int zz = z + (a * e.Dilation[0]);
            for (int b = 0; b < e.Kernel[1]; b++)
            {
                int yy = y + (b * e.Dilation[1]);
                bool inside = (uint)zz < (uint)e.Input[0] && (uint)yy < (uint)e.Input[1];
                int start = ((zz * e.Input[1]) + yy) * e.Input[2];
                for (int c = 0; c < e.Kernel[2]; c++)
                {
                    int ww = w + (c * e.Dilation[2]);
                    target[at++] = inside && (uint)ww < (uint)e.Input[2] ? plane[start + ww] : 0;
                }
            }
        }
    }

    /// <summary>All sizes with missing leading axes filled up by ones.</summary>
    private Geometry Extents(ReadOnlySpan<long> shape)
    {
        var e = new Geometry([1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0]);
        for (int axis = 0; axis < window.SpatialRank; axis++)
        {
            int at = Axes - window.SpatialRank + axis;
            long size = shape[axis + 2];
            (long begin, long end) = window.PadsFor(axis, size);
            e.Input[at] = (int)size;
            e.Output[at] = Math.Max(0, (int)(((size + begin + end - window.Extent(axis)) / window.Strides[axis]) + 1));
            e.Kernel[at] = (int)window.Kernel[axis];
            e.Stride[at] = (int)window.Strides[axis];
            e.Dilation[at] = (int)window.Dilations[axis];
            e.Begin[at] = (int)begin;
        }

        return e;
    }

    private sealed record Geometry(int[] Input, int[] Output, int[] Kernel, int[] Stride, int[] Dilation, int[] Begin);
}
