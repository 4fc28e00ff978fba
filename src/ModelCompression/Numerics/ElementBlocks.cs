namespace ModelCompression.Numerics;

/// <summary>Cuts a tensor into blocks whose borders depend on its size only, so that sums over blocks do not depend on the number of threads.</summary>
internal static class ElementBlocks
{
    /// <summary>Elements of a block: 256 KiB of binary32, which a core's second-level cache holds.</summary>
    public const int ElementCount = 1 << 16;

    /// <summary>Number of blocks.</summary>
    public static int Count(int elementCount) => (int)(((long)elementCount + ElementCount - 1) / ElementCount);

    /// <summary>Start and length of a block.</summary>
    public static (int Start, int Length) At(int block, int elementCount)
    {
        int start = block * ElementCount;
        return (start, Math.Min(ElementCount, elementCount - start));
    }

    /// <summary>Runs <paramref name="body"/> for every block; on this thread when there is only one.</summary>
    /// <param name="elementCount">Elements.</param>
    /// <param name="threads">Most threads, or −1 for all.</param>
    /// <param name="body">Work on one block; blocks may run at the same time and in any order.</param>
    public static void ForEach(int elementCount, int threads, Action<int> body)
    {
        int count = Count(elementCount);
        if (count > 1 && threads != 1) Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, body);
        else for (int block = 0; block < count; block++) body(block);
    }
}
