using System.Numerics;

namespace ModelCompression.Packing;

/// <summary>The distinct values of a tensor, when they are few.</summary>
internal sealed class ValuePalette<T> where T : unmanaged, IBinaryInteger<T>
{
    public const int MaxLength = 256;

    private const int ChunkLength = 1 << 18;

    private readonly Dictionary<T, byte> indices;

    private ValuePalette(T[] values)
    {
        Values = values;
        indices = new Dictionary<T, byte>(values.Length);
        for (int i = 0; i < values.Length; i++) indices.Add(values[i], (byte)i);
    }

    /// <summary>Values in ascending order of their bits.</summary>
    public T[] Values { get; }

    /// <summary>Bits of an index: at least 1.</summary>
    public int Width => Math.Max(1, BitOperations.Log2((uint)Math.Max(1, Values.Length - 1)) + (Values.Length > 1 ? 1 : 0));

    /// <summary>Finds the distinct values, or null when there are more than <see cref="MaxLength"/>.</summary>
    public static ValuePalette<T>? Find(PackableElements<T> elements)
    {
        var all = new HashSet<T>();
        if (elements.Count == 0 || !Collect(Chunk(elements, 0), all)) return null;
        int chunks = (int)((elements.Count + ChunkLength - 1) / ChunkLength);
        bool few = true;
        object gate = new();
        T[] known = [.. all];
        Parallel.For(1, Math.Max(1, chunks), () => new HashSet<T>(known), (chunk, state, found) =>
        {
            if (!Collect(Chunk(elements, chunk), found)) state.Stop();
            return found;
        }, found =>
        {
            lock (gate) few = few && Merge(found, all);
        });
        return few ? Of(all) : null;
    }

    /// <summary>A palette without or with one value.</summary>
    public ValuePalette<T>? With(T value, bool present)
    {
        var values = new HashSet<T>(Values);
        bool changed = present ? values.Add(value) : values.Remove(value);
        if (!changed) return this;
        return values.Count is 0 or > MaxLength ? null : Of(values);
    }

    /// <summary>The index of each element.</summary>
    public byte[] Encode(ReadOnlySpan<T> elements)
    {
        var codes = new byte[elements.Length];
        if (elements.Length == 0) return codes;
        T last = elements[0];
        byte index = indices[last];
        for (int i = 0; i < elements.Length; i++)
        {
            if (elements[i] != last) index = indices[last = elements[i]];
            codes[i] = index;
        }

        return codes;
    }

    private static ValuePalette<T> Of(HashSet<T> values) => new([.. values.Order()]);

    private static ReadOnlySpan<T> Chunk(PackableElements<T> elements, int chunk)
    {
        int start = chunk * ChunkLength;
        return elements.Span.Slice(start, (int)Math.Min(ChunkLength, elements.Count - start));
    }

    private static bool Merge(HashSet<T> from, HashSet<T> to)
    {
        to.UnionWith(from);
        return to.Count <= MaxLength;
    }

    private static bool Collect(ReadOnlySpan<T> elements, HashSet<T> found)
    {
        T last = default;
        bool any = false;
        foreach (T element in elements)
        {
            if (any && element == last) continue;
            any = true;
            last = element;
            if (found.Add(element) && found.Count > MaxLength) return false;
        }

        return true;
    }
}
