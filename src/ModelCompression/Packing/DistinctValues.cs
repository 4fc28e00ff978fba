using System.Numerics;

namespace ModelCompression.Packing;

/// <summary>A set of at most 256 values that numbers them, built for asking millions of times.</summary>
/// <remarks>Open addressing at a load of a quarter or less, so that a look-up nearly always ends at the first slot, without an unforeseeable branch.</remarks>
internal sealed class DistinctValues<T> where T : unmanaged, IBinaryInteger<T>
{
    /// <summary>Most values it takes.</summary>
    public const int MaxCount = 256;

    private const int SlotBits = 10;
    private const int SlotMask = (1 << SlotBits) - 1;

    private readonly T[] values = new T[1 << SlotBits];

    /// <summary>1 + number of the value in the slot, 0 when it is free.</summary>
    private readonly ushort[] numbers = new ushort[1 << SlotBits];

    /// <summary>Values in it.</summary>
    public int Count { get; private set; }

    /// <summary>Adds every element; false, with the set incomplete, once there are more than <see cref="MaxCount"/>.</summary>
    public bool TryAddAll(ReadOnlySpan<T> elements)
    {
        foreach (T element in elements)
        {
            int slot = Find(element);
            if (numbers[slot] != 0) continue;
            if (Count == MaxCount) return false;
            values[slot] = element;
            numbers[slot] = (ushort)++Count;
        }

        return true;
    }

    /// <summary>The number of each element, which must be in the set, in order of addition from 0.</summary>
    public void Number(ReadOnlySpan<T> elements, Span<byte> result)
    {
        for (int i = 0; i < elements.Length; i++) result[i] = (byte)(numbers[Find(elements[i])] - 1);
    }

    /// <summary>The values in ascending order.</summary>
    public T[] Sorted()
    {
        var sorted = new List<T>(Count);
        for (int slot = 0; slot < values.Length; slot++)
            if (numbers[slot] != 0) sorted.Add(values[slot]);
        sorted.Sort();
        return [.. sorted];
    }

    private int Find(T value)
    {
        int slot = (int)((ulong.CreateTruncating(value) * 0x9E37_79B9_7F4A_7C15) >> (64 - SlotBits));
        while (numbers[slot] != 0 && values[slot] != value) slot = (slot + 1) & SlotMask;
        return slot;
    }
}
