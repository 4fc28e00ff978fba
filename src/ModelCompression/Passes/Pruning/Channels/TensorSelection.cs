using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Copies some positions of an axis.</summary>
internal static class TensorSelection
{
    /// <summary>True for types whose elements are whole bytes.</summary>
    public static bool IsSupported(DataType type) => type.BitWidth() >= 8;

    /// <summary>The tensor with only the given positions of an axis, in that order.</summary>
    /// <exception cref="NotSupportedException">More than <see cref="int.MaxValue"/> bytes.</exception>
    public static Tensor Take(Tensor tensor, int axis, ReadOnlySpan<int> positions)
    {
        var dims = tensor.Dims.ToArray();
        var layout = ChannelLayout.Of(dims, [axis]);
        int inner = checked(layout.Inner * (tensor.DataType.BitWidth() / 8));
        int rowLength = checked(layout.Channels * inner);
        dims[axis] = positions.Length;
        var runs = Runs(positions, inner);
        int resultRow = positions.Length * inner;
        if ((long)resultRow * layout.Outer > Array.MaxLength) throw new NotSupportedException("The remaining weight does not fit in one array.");
        var result = GC.AllocateUninitializedArray<byte>(resultRow * layout.Outer);
        Parallel.For(0, layout.Outer, outer =>
        {
            var source = tensor.AsSpan<byte>().Slice(outer * rowLength, rowLength);
            var target = result.AsSpan(outer * resultRow, resultRow);
            foreach (var (start, length) in runs)
            {
                source.Slice(start, length).CopyTo(target);
                target = target[length..];
            }
        });
        return new(tensor.DataType, dims, TensorData.FromArray(result)) { DocString = tensor.DocString };
    }

    /// <summary>Consecutive positions as ranges of bytes within one row.</summary>
    private static (int Start, int Length)[] Runs(ReadOnlySpan<int> positions, int inner)
    {
        var runs = new List<(int Start, int Length)>();
        foreach (int position in positions)
        {
            if (runs.Count > 0 && runs[^1].Start + runs[^1].Length == position * inner) runs[^1] = (runs[^1].Start, runs[^1].Length + inner);
            else runs.Add((position * inner, inner));
        }

        return [.. runs];
    }
}
