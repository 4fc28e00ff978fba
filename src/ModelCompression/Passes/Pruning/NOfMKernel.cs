using System.Numerics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Pruning;

/// <summary>Keeps the n elements of largest absolute value in every group of m along one axis.</summary>
/// <remarks>
/// Groups start at index 0 of the axis; the last one may be shorter and keeps n, too. Among equal absolute values the one with the smaller index stays. An element's rank
/// is the number of elements in its group that beat it: m comparisons, without branches, and with whole vectors when the axis is not the last.
/// </remarks>
internal static class NOfMKernel<TBits, TMagnitude>
    where TBits : unmanaged, IBinaryInteger<TBits>
    where TMagnitude : struct, IMagnitude<TBits>
{
    public static void Run(Tensor tensor, int axis, int n, int m, TBits[] result)
    {
        var layout = ChannelLayout.Of(tensor.Dims, [axis]);
        int groups = (layout.Channels + m - 1) / m;
        if (tensor.ElementCount == 0) return;
        if (layout.Inner == 1)
        {
            Parallel.For(0, layout.Outer, outer => Row(tensor.AsSpan<TBits>().Slice(outer * layout.Channels, layout.Channels), n, m, result.AsSpan(outer * layout.Channels, layout.Channels)));
            return;
        }

        Parallel.For(0L, (long)layout.Outer * groups, item =>
        {
            int outer = (int)(item / groups);
            int first = (int)(item % groups) * m;
            int length = Math.Min(m, layout.Channels - first);
            int start = ((outer * layout.Channels) + first) * layout.Inner;
            Columns(tensor.AsSpan<TBits>().Slice(start, length * layout.Inner), length, n, result.AsSpan(start, length * layout.Inner));
        });
    }

    private static void Row(ReadOnlySpan<TBits> row, int n, int m, Span<TBits> result)
    {
        for (int first = 0; first < row.Length; first += m)
            Group(row.Slice(first, Math.Min(m, row.Length - first)), 1, 0, n, result.Slice(first, Math.Min(m, row.Length - first)));
    }

    /// <summary>One group per column of a [length, columns] block.</summary>
    private static void Columns(ReadOnlySpan<TBits> block, int length, int n, Span<TBits> result)
    {
        int columns = block.Length / length;
        int column = 0;
        var mask = new Vector<TBits>(TMagnitude.MagnitudeMask);
        var limit = new Vector<TBits>(TBits.CreateSaturating(n));
        for (; column <= columns - Vector<TBits>.Count; column += Vector<TBits>.Count)
        {
            for (int i = 0; i < length; i++)
            {
                var element = new Vector<TBits>(block[((i * columns) + column)..]);
                var magnitude = element & mask;
                var rank = Vector<TBits>.Zero;
                for (int j = 0; j < length; j++)
                {
                    var other = new Vector<TBits>(block[((j * columns) + column)..]) & mask;
                    // A true lane is all ones: minus one.
                    if (j < i) rank -= Vector.GreaterThanOrEqual(other, magnitude);
                    else if (j > i) rank -= Vector.GreaterThan(other, magnitude);
                }

                (element & Vector.LessThan(rank, limit)).CopyTo(result[((i * columns) + column)..]);
            }
        }

        for (; column < columns; column++) Group(block, columns, column, n, result);
    }

    private static void Group(ReadOnlySpan<TBits> block, int stride, int offset, int n, Span<TBits> result)
    {
        for (int i = offset; i < block.Length; i += stride)
        {
            var magnitude = block[i] & TMagnitude.MagnitudeMask;
            int rank = 0;
            for (int j = offset; j < block.Length; j += stride)
            {
                var other = block[j] & TMagnitude.MagnitudeMask;
                rank += other > magnitude || (other == magnitude && j < i) ? 1 : 0;
            }

            result[i] = rank < n ? block[i] : TBits.Zero;
        }
    }
}
