using System.Numerics;

namespace ModelCompression.Packing;

/// <summary>The distinct values of a tensor, when they are few.</summary>
internal sealed class ValuePalette<T> where T : unmanaged, IBinaryInteger<T>
{
    private const int ChunkLength = 1 << 18;

    private readonly DistinctValues<T> numbers = new();

    private ValuePalette(T[] values)
    {
        Values = values;
        numbers.TryAddAll(values);
    }

    /// <summary>Values in ascending order of their bits.</summary>
    public T[] Values { get; }

    /// <summary>Bits of an index: at least 1.</summary>
    public int Width => Values.Length <= 2 ? 1 : BitOperations.Log2((uint)Values.Length - 1) + 1;

    /// <summary>Finds the distinct values, or null when there are none or more than 256.</summary>
    public static ValuePalette<T>? Find(PackableElements<T> elements)
    {
        // Weights that are not quantized show that in their first few hundred elements.
        var first = new DistinctValues<T>();
        if (elements.Count == 0 || !first.TryAddAll(Chunk(elements, 0))) return null;
        int chunks = (int)((elements.Count + ChunkLength - 1) / ChunkLength);
        var found = new T[chunks][];
        found[0] = first.Sorted();
        Parallel.For(1, Math.Max(1, chunks), (chunk, state) =>
        {
            var values = new DistinctValues<T>();
            if (values.TryAddAll(Chunk(elements, chunk))) found[chunk] = values.Sorted();
            else state.Stop();
        });
        foreach (var values in found)
            if (values is null || !first.TryAddAll(values)) return null;
        return new(first.Sorted());
    }

    /// <summary>This palette with <paramref name="value"/> in it or without it; null when it would be empty or too long.</summary>
    public ValuePalette<T>? With(T value, bool present)
    {
        int at = Array.BinarySearch(Values, value);
        if (at >= 0 == present) return this;
        T[] values = present ? [.. Values[..~at], value, .. Values[~at..]] : [.. Values[..at], .. Values[(at + 1)..]];
        return values.Length is 0 or > DistinctValues<T>.MaxCount ? null : new(values);
    }

    /// <summary>The index of each element.</summary>
    public byte[] Encode(ReadOnlySpan<T> elements)
    {
        var codes = new byte[elements.Length];
        numbers.Number(elements, codes);
        return codes;
    }

    private static ReadOnlySpan<T> Chunk(PackableElements<T> elements, int chunk)
    {
        int start = chunk * ChunkLength;
        return elements.Span.Slice(start, (int)Math.Min(ChunkLength, elements.Count - start));
    }
}
