namespace ModelCompression.Numerics;

/// <summary>A binary heap of candidates in place: ordered in linear time, of which few are taken.</summary>
internal ref struct MoveHeap
{
    private readonly Span<ulong> entries;
    private int count;

    /// <summary>Orders entries made by <see cref="Entry"/>.</summary>
    public MoveHeap(Span<ulong> entries)
    {
        this.entries = entries;
        count = entries.Length;
        for (int i = (count / 2) - 1; i >= 0; i--) SiftDown(i);
    }

    /// <summary>An entry that sorts by cost, then by element.</summary>
    /// <param name="cost">Not NaN.</param>
    /// <param name="element">Not negative.</param>
    public static ulong Entry(float cost, int element)
    {
        // Bits of numbers from 0 on are in their order; those of negative numbers in the opposite one, and above.
        uint bits = BitConverter.SingleToUInt32Bits(cost);
        bits = (int)bits < 0 ? ~bits : bits | 0x8000_0000;
        return ((ulong)bits << 32) | (uint)element;
    }

    /// <summary>Takes the element with the least cost; false when there is none.</summary>
    public bool TryTake(out int element)
    {
        element = -1;
        if (count == 0) return false;
        element = (int)(uint)entries[0];
        entries[0] = entries[--count];
        SiftDown(0);
        return true;
    }

    private readonly void SiftDown(int parent)
    {
        var heap = entries[..count];
        if (parent >= heap.Length) return;
        ulong entry = heap[parent];
        for (int child; (child = (2 * parent) + 1) < heap.Length; parent = child)
        {
            if (child + 1 < heap.Length && heap[child + 1] < heap[child]) child++;
            if (heap[child] >= entry) break;
            heap[parent] = heap[child];
        }

        heap[parent] = entry;
    }
}
