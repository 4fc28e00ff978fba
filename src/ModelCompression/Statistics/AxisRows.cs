namespace ModelCompression.Statistics;

/// <summary>Rows along one axis.</summary>
internal sealed class AxisRows(int axis) : TensorRows
{
    public override string Key => FormattableString.Invariant($"axis {axis}");

    public override bool TryMeasure(ReadOnlySpan<long> shape, out long rows, out int width)
    {
        (rows, width) = (0, 0);
        int at = axis < 0 ? axis + shape.Length : axis;
        if (at < 0 || at >= shape.Length) return false;
        width = checked((int)shape[at]);
        rows = 1;
        for (int i = 0; i < shape.Length; i++)
            if (i != at) rows *= shape[i];
        return width > 0 && rows > 0;
    }

    public override void Copy(TensorView x, int group, long first, long step, Span<float> target)
    {
        int at = axis < 0 ? axis + x.Shape.Length : axis, width = checked((int)x.Shape[at]), inner = 1;
        foreach (long size in x.Shape[(at + 1)..]) inner *= checked((int)size);
        for (long row = first; !target.IsEmpty; row += step, target = target[width..])
        {
            int start = checked((int)((row / inner * inner * width) + (row % inner)));
            if (inner == 1) x.Data.Slice(start, width).CopyTo(target);
            else
                for (int k = 0; k < width; k++) target[k] = x.Data[start + (k * inner)];
        }
    }
}
