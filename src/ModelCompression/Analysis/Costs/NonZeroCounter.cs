using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Analysis.Costs;

/// <summary>Counts elements that are not zero, at the speed of memory.</summary>
public static class NonZeroCounter
{
    /// <summary>Bytes that one task counts.</summary>
    private const int BlockByteLength = 1 << 20;

    /// <summary>Counts over several tensors in parallel.</summary>
    /// <param name="tensors">Tensors with element types of 8, 16, 32 or 64 bits.</param>
    /// <param name="maxThreads">Threads to use; −1 for all.</param>
    /// <returns>The number of elements other than ±0, per tensor. Independent of the number of threads.</returns>
    public static long[] Count(IReadOnlyList<Tensor> tensors, int maxThreads = -1)
    {
        var counts = new long[tensors.Count];
        var blocks = new List<(int Tensor, ReadOnlyMemory<byte> Bytes)>();
        for (int i = 0; i < tensors.Count; i++)
            foreach (var memory in tensors[i].Data.Blocks())
                for (int at = 0; at < memory.Length; at += BlockByteLength)
                    blocks.Add((i, memory.Slice(at, Math.Min(BlockByteLength, memory.Length - at))));
        Parallel.For(0, blocks.Count, new ParallelOptions { MaxDegreeOfParallelism = maxThreads }, b =>
        {
            var (tensor, bytes) = blocks[b];
            Interlocked.Add(ref counts[tensor], CountNonZero(bytes.Span, tensors[tensor].DataType));
        });
        return counts;
    }

    private static long CountNonZero(ReadOnlySpan<byte> bytes, DataType type) => type switch
    {
        DataType.Float => Count<uint>(bytes, uint.MaxValue >> 1),
        DataType.Float16 or DataType.BFloat16 => Count(bytes, (ushort)(ushort.MaxValue >> 1)),
        DataType.Double => Count<ulong>(bytes, ulong.MaxValue >> 1),
        _ => type.BitWidth() switch
        {
            8 => Count(bytes, byte.MaxValue),
            16 => Count(bytes, ushort.MaxValue),
            32 => Count<uint>(bytes, uint.MaxValue),
            64 => Count<ulong>(bytes, ulong.MaxValue),
            _ => throw new NotSupportedException($"Zeros of {type} are not counted."),
        },
    };

    /// <summary>Counts elements with a bit set under the mask; the mask leaves the sign of zero out.</summary>
    private static long Count<T>(ReadOnlySpan<byte> bytes, T mask) where T : unmanaged, IBinaryInteger<T>
    {
        var elements = MemoryMarshal.Cast<byte, T>(bytes);
        var vectors = MemoryMarshal.Cast<T, Vector256<T>>(elements);
        var masks = Vector256.Create(mask);
        long zeros = 0;
        // A lane of 8 bits can count to 255 before it must be added up.
        for (int at = 0; at < vectors.Length; at += byte.MaxValue)
        {
            var lanes = Vector256<T>.Zero;
            foreach (var vector in vectors.Slice(at, Math.Min(byte.MaxValue, vectors.Length - at))) lanes -= Vector256.Equals(vector & masks, Vector256<T>.Zero);
            for (int i = 0; i < Vector256<T>.Count; i++) zeros += long.CreateTruncating(lanes[i]);
        }

        foreach (var element in elements[(vectors.Length * Vector256<T>.Count)..])
            if (T.IsZero(element & mask)) zeros++;
        return elements.Length - zeros;
    }
}
