using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Packing;

/// <summary>Which tensors can be packed, and with which element type they are read.</summary>
internal static class PackableTypes
{
    /// <summary>Why a type cannot be packed, or null.</summary>
    public static string? WhyNot(DataType type) => type switch
    {
        DataType.Float or DataType.Double or DataType.Float16
            or DataType.Int8 or DataType.UInt8 or DataType.Int16 or DataType.UInt16
            or DataType.Int32 or DataType.UInt32 or DataType.Int64 or DataType.UInt64 => null,
        _ => $"{type} constants are stored as they are",
    };

    /// <summary>The most frequent element of an 8-bit tensor, the smallest when several are: the best background for codes with a zero point.</summary>
    public static byte MostFrequent(PackableElements<byte> elements)
    {
        var total = new long[256];
        object gate = new();
        const int ChunkLength = 1 << 20;
        int chunks = (int)((elements.Count + ChunkLength - 1) / ChunkLength);
        Parallel.For(0, chunks, () => new long[256], (chunk, _, counts) =>
        {
            int start = chunk * ChunkLength;
            foreach (byte element in elements.Span.Slice(start, (int)Math.Min(ChunkLength, elements.Count - start))) counts[element]++;
            return counts;
        }, counts =>
        {
            lock (gate) Add(counts, total);
        });
        return (byte)Array.IndexOf(total, total.Max());
    }

    private static void Add(long[] from, long[] to)
    {
        for (int i = 0; i < from.Length; i++) to[i] += from[i];
    }
}
