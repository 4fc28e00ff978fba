using System.Numerics;

namespace ModelCompression.Packing;

/// <summary>Entries of a gap form.</summary>
/// <param name="Low">Low eight bits of each distance - 1 to the next entry; 0 for the last.</param>
/// <param name="High">Their higher bits, or null for widths up to 8.</param>
/// <param name="Values">The entries; fillers hold the background.</param>
internal sealed record GapEntries<T>(byte[] Low, byte[]? High, T[] Values);

/// <summary>Splits tensors into positions and stored elements.</summary>
internal static class SparseEncoder
{
    /// <summary>
    /// Lists element 0, every element that differs from the background, and fillers where two of them are more than 2^width apart.
    /// </summary>
    /// <remarks>Relative indices with zero fillers: Han, Mao, Dally, "Deep Compression", ICLR 2016, section 2.</remarks>
    /// <param name="elements">At least one element.</param>
    /// <param name="background">Value of the positions that are left out.</param>
    /// <param name="width">Bits of a distance, 1–16.</param>
    /// <param name="count">Entries, as <see cref="BackgroundProfile.GapEntries"/> counts them.</param>
    public static GapEntries<T> Gaps<T>(ReadOnlySpan<T> elements, T background, int width, int count) where T : unmanaged, IBinaryInteger<T>
    {
        var entries = new GapEntries<T>(new byte[count], width > 8 ? new byte[count] : null, new T[count]);
        int jump = 1 << width;
        int entry = 0;
        int at = 0;
        entries.Values[0] = elements[0];
        while (true)
        {
            int zeros = elements[(at + 1)..].IndexOfAnyExcept(background);
            if (zeros < 0) break;
            for (; zeros >= jump; zeros -= jump) entries.Values[Advance(jump)] = background;
            entries.Values[Advance(zeros + 1)] = elements[at];
        }

        return entry + 1 == count ? entries : throw new InvalidOperationException($"{entry + 1} entries where {count} were counted.");

        int Advance(int distance)
        {
            entries.Low[entry] = (byte)(distance - 1);
            if (entries.High is not null) entries.High[entry] = (byte)((distance - 1) >> 8);
            at += distance;
            return ++entry;
        }
    }

    /// <summary>Marks the positions of elements that differ from the background: one byte, 0 or 1, per element.</summary>
    public static byte[] Mask<T>(ReadOnlySpan<T> elements, T background) where T : unmanaged, IBinaryInteger<T>
    {
        var mask = new byte[elements.Length];
        for (int i = 0; i < elements.Length; i++) mask[i] = elements[i] != background ? (byte)1 : (byte)0;
        return mask;
    }

    /// <summary>The background, then the elements that differ from it in order.</summary>
    public static T[] BackgroundAndStored<T>(ReadOnlySpan<T> elements, T background, int count) where T : unmanaged, IBinaryInteger<T>
    {
        var stored = new T[count + 1];
        stored[0] = background;
        int found = 0;
        int at = elements.IndexOfAnyExcept(background);
        while (at >= 0)
        {
            stored[++found] = elements[at];
            int zeros = elements[(at + 1)..].IndexOfAnyExcept(background);
            at = zeros < 0 ? -1 : at + 1 + zeros;
        }

        return found == count ? stored : throw new InvalidOperationException($"{found} elements where {count} were counted.");
    }
}
