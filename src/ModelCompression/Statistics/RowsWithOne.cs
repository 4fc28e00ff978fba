namespace ModelCompression.Statistics;

/// <summary>Rows with a one behind their last element, so that a bias is one weight more.</summary>
internal sealed class RowsWithOne(TensorRows rows) : TensorRows
{
    public override int Groups => rows.Groups;

    public override string Key => $"{rows.Key} and one";

    public override bool TryMeasure(ReadOnlySpan<long> shape, out long count, out int width)
    {
        bool fits = rows.TryMeasure(shape, out count, out width);
        width++;
        return fits;
    }

    public override void Copy(TensorView x, int group, long first, long step, Span<float> target)
    {
        if (!rows.TryMeasure(x.Shape, out _, out int width)) throw new ArgumentException("The tensor does not have this layout.", nameof(x));
        int count = target.Length / (width + 1);
        var plain = new float[count * width];
        rows.Copy(x, group, first, step, plain);
        for (int r = 0; r < count; r++)
        {
            plain.AsSpan(r * width, width).CopyTo(target[(r * (width + 1))..]);
            target[(r * (width + 1)) + width] = 1;
        }
    }
}
