using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
        int[]? single = runs.Length * 2 > positions.Length ? positions.ToArray() : null;
        int resultRow = positions.Length * inner;
        if ((long)resultRow * layout.Outer > Array.MaxLength) throw new NotSupportedException("The remaining weight does not fit in one array.");
        var result = GC.AllocateUninitializedArray<byte>(resultRow * layout.Outer);
        Parallel.For(0, layout.Outer, outer =>
        {
            var source = tensor.AsSpan<byte>().Slice(outer * rowLength, rowLength);
            var target = result.AsSpan(outer * resultRow, resultRow);
            // Scattered elements are copied one by one, which is faster than a call for each.
            if (single is not null && inner == sizeof(float)) Gather(MemoryMarshal.Cast<byte, float>(source), single, MemoryMarshal.Cast<byte, float>(target));
            else if (single is not null && inner == sizeof(short)) Gather(MemoryMarshal.Cast<byte, short>(source), single, MemoryMarshal.Cast<byte, short>(target));
            else CopyRuns(source, runs, target);
        });
        return new(tensor.DataType, dims, TensorData.FromArray(result)) { DocString = tensor.DocString };
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gather<T>(ReadOnlySpan<T> source, int[] positions, Span<T> target)
    {
        for (int i = 0; i < positions.Length; i++) target[i] = source[positions[i]];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyRuns(ReadOnlySpan<byte> source, (int Start, int Length)[] runs, Span<byte> target)
    {
        foreach (var (start, length) in runs)
        {
            source.Slice(start, length).CopyTo(target);
            target = target[length..];
        }
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
