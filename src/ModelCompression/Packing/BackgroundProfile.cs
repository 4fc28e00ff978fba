using System.Numerics;

namespace ModelCompression.Packing;

/// <summary>How the elements that differ from the background value lie in a tensor: what decides the size of every sparse form.</summary>
/// <param name="Count">Elements.</param>
/// <param name="Stored">Elements that differ from the background bit for bit.</param>
/// <param name="Fillers">
/// For each of <see cref="GapWidths"/>: how many background elements have to be stored because a distance exceeds what its bits hold. Empty when not asked for.
/// </param>
internal sealed record BackgroundProfile(long Count, long Stored, IReadOnlyList<long> Fillers)
{
    /// <summary>Bits a distance may have.</summary>
    public static readonly int[] GapWidths = [2, 3, 4, 5, 6, 7, 8, 16];

    private const int ChunkLength = 1 << 18;

    /// <summary>Fraction of elements equal to the background; 0 for an empty tensor.</summary>
    public double Sparsity => Count == 0 ? 0 : 1 - ((double)Stored / Count);

    /// <summary>Entries of the gap form.</summary>
    public long GapEntries(int width) => Stored + Fillers[Array.IndexOf(GapWidths, width)];

    /// <summary>Counts elements unequal to <paramref name="background"/> by their bits; exact for any number of threads.</summary>
    public static BackgroundProfile Scan<T>(PackableElements<T> elements, T background) where T : unmanaged, IBinaryInteger<T>
    {
        if (elements.Count == 0) return new(0, 0, []);
        var counts = new long[Chunks(elements.Count)];
        Parallel.For(0, counts.Length, chunk =>
        {
            var part = Chunk(elements, chunk);
            counts[chunk] = part.Length - part.Count(background);
        });
        return new(elements.Count, counts.Sum(), []);
    }

    /// <summary>Adds the filler counts.</summary>
    public BackgroundProfile WithFillers<T>(PackableElements<T> elements, T background) where T : unmanaged, IBinaryInteger<T>
    {
        var chunks = new GapChunk[Chunks(elements.Count)];
        Parallel.For(0, chunks.Length, chunk => chunks[chunk] = GapChunk.Scan(Chunk(elements, chunk), background, (long)chunk * ChunkLength));
        var fillers = new long[GapWidths.Length];
        // Positions count from element 0, which needs no distance of its own.
        long last = 0;
        foreach (var chunk in chunks)
        {
            if (chunk.First < 0) continue;
            if (chunk.First > 0) GapChunk.AddFillers(fillers, chunk.First - last - 1, 1);
            for (int i = 0; i < fillers.Length; i++) fillers[i] += chunk.Fillers[i];
            last = chunk.Last;
        }

        return this with { Fillers = fillers };
    }

    private static int Chunks(long count) => checked((int)((count + ChunkLength - 1) / ChunkLength));

    private static ReadOnlySpan<T> Chunk<T>(PackableElements<T> elements, int chunk) where T : unmanaged =>
        elements.Span.Slice(chunk * ChunkLength, (int)Math.Min(ChunkLength, elements.Count - ((long)chunk * ChunkLength)));
}
