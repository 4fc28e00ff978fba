using System.Numerics;
using System.Runtime.InteropServices;

namespace ModelCompression.Passes.Simplification.Evaluation;

/// <summary>Multidirectional broadcasting of shapes and strided copies between them.</summary>
internal static class Broadcasting
{
    /// <summary>The common shape, or null when the shapes do not broadcast.</summary>
    public static long[]? CommonDims(params ReadOnlySpan<long[]> shapes)
    {
        int rank = 0;
        foreach (long[] shape in shapes) rank = Math.Max(rank, shape.Length);
        var result = new long[rank];
        Array.Fill(result, 1);
        foreach (long[] shape in shapes)
        {
            for (int i = 1; i <= shape.Length; i++)
            {
                if (shape[^i] == 1 || shape[^i] == result[^i]) continue;
                if (result[^i] != 1) return null;
                result[^i] = shape[^i];
            }
        }

        return result;
    }

    /// <summary>Row-major strides in elements.</summary>
    public static long[] Strides(ReadOnlySpan<long> dims)
    {
        var strides = new long[dims.Length];
        long next = 1;
        for (int i = dims.Length - 1; i >= 0; i--)
        {
            strides[i] = next;
            next *= dims[i];
        }

        return strides;
    }

    /// <summary>Strides of <paramref name="dims"/> as seen from the broadcast shape: 0 along the axes it repeats.</summary>
    public static long[] BroadcastStrides(ReadOnlySpan<long> dims, int rank)
    {
        long[] own = Strides(dims);
        var strides = new long[rank];
        for (int i = 1; i <= dims.Length; i++) strides[^i] = dims[^i] == 1 ? 0 : own[^i];
        return strides;
    }

    /// <summary>Source offsets, in elements, of all positions of <paramref name="dims"/> in row-major order.</summary>
    public static int[] Offsets(ReadOnlySpan<long> dims, long[] strides)
    {
        int[] offsets = [0];
        for (int axis = 0; axis < dims.Length; axis++)
        {
            int size = (int)dims[axis];
            var next = new int[offsets.Length * size];
            for (int i = 0; i < offsets.Length; i++)
                for (int j = 0; j < size; j++)
                    next[(i * size) + j] = offsets[i] + (int)(j * strides[axis]);
            offsets = next;
        }

        return offsets;
    }

    /// <summary>Copies elements of <paramref name="width"/> bytes from a strided source to a dense target.</summary>
    public static void Copy(ReadOnlySpan<byte> source, Span<byte> target, int width, ReadOnlySpan<long> dims, ReadOnlySpan<long> strides, long offset)
    {
        if (dims.Length == 0)
        {
            source.Slice((int)(offset * width), width).CopyTo(target);
            return;
        }

        int size = (int)dims[0];
        if (size == 0 || target.Length == 0) return;
        if (dims.Length == 1 && strides[0] == 1)
        {
            source.Slice((int)(offset * width), size * width).CopyTo(target);
            return;
        }

        if (dims.Length == 1 && width <= sizeof(long) && BitOperations.IsPow2(width))
        {
            CopyStrided(source, target, width, size, (int)strides[0], (int)offset);
            return;
        }

        int part = target.Length / size;
        for (int i = 0; i < size; i++)
            Copy(source, target.Slice(i * part, part), width, dims[1..], strides[1..], offset + (i * strides[0]));
    }

    private static void CopyStrided(ReadOnlySpan<byte> source, Span<byte> target, int width, int size, int stride, int offset)
    {
        switch (width)
        {
            case 1:
                CopyStrided(source, target, size, stride, offset);
                break;
            case 2:
                CopyStrided(MemoryMarshal.Cast<byte, ushort>(source), MemoryMarshal.Cast<byte, ushort>(target), size, stride, offset);
                break;
            case 4:
                CopyStrided(MemoryMarshal.Cast<byte, uint>(source), MemoryMarshal.Cast<byte, uint>(target), size, stride, offset);
                break;
            default:
                CopyStrided(MemoryMarshal.Cast<byte, ulong>(source), MemoryMarshal.Cast<byte, ulong>(target), size, stride, offset);
                break;
        }
    }

    private static void CopyStrided<T>(ReadOnlySpan<T> source, Span<T> target, int size, int stride, int offset)
    {
        for (int i = 0; i < size; i++) target[i] = source[offset + (i * stride)];
    }
}
