using System.Numerics;

namespace ModelCompression.Packing;

/// <summary>Gaps inside one chunk; <c>First</c> and <c>Last</c> are positions in the tensor, -1 when everything is background.</summary>
internal readonly record struct GapChunk(long First, long Last, long[] Fillers)
{
    private const int SmallGap = 256;

    public static GapChunk Scan<T>(ReadOnlySpan<T> elements, T background, long offset) where T : unmanaged, IBinaryInteger<T>
    {
        var fillers = new long[BackgroundProfile.GapWidths.Length];
        Span<int> small = stackalloc int[SmallGap];
        small.Clear();
        int first = elements.IndexOfAnyExcept(background);
        int last = first;
        while (last >= 0)
        {
            int gap = elements[(last + 1)..].IndexOfAnyExcept(background);
            if (gap < 0) break;
            if (gap < SmallGap) small[gap]++;
            else AddFillers(fillers, gap, 1);
            last += gap + 1;
        }

        for (int gap = 1; gap < SmallGap; gap++) AddFillers(fillers, gap, small[gap]);
        return first < 0 ? new(-1, -1, fillers) : new(offset + first, offset + last, fillers);
    }

    /// <summary>A run of <paramref name="gap"/> background elements between two entries takes gap / (2^width - 1) fillers.</summary>
    public static void AddFillers(long[] fillers, long gap, long times)
    {
        if (times == 0) return;
        for (int i = 0; i < fillers.Length; i++) fillers[i] += times * (gap / ((1 << BackgroundProfile.GapWidths[i]) - 1));
    }
}
