using System.Numerics;

namespace ModelCompression.Packing;

/// <summary>Entries of a gap form.</summary>
/// <param name="Distances">Distance of each entry from the one before, of the first from element 0.</param>
/// <param name="Values">The entries; fillers hold the background.</param>
internal sealed record GapEntries<T>(ushort[] Distances, T[] Values);

/// <summary>Splits tensors into positions and stored elements.</summary>
internal static class SparseEncoder
{
    /// <summary>Lists every element that differs from the background, and fillers where two of them are more than 2^width - 1 apart.</summary>
    /// <remarks>Relative indices with zero fillers: Han, Mao, Dally, "Deep Compression", ICLR 2016, section 2.</remarks>
    /// <param name="elements">The tensor.</param>
    /// <param name="background">Value of the positions that are left out.</param>
    /// <param name="width">Bits of a distance.</param>
    /// <param name="count">Entries, as <see cref="BackgroundProfile.GapEntries"/> counts them.</param>
    public static GapEntries<T> Gaps<T>(ReadOnlySpan<T> elements, T background, int width, int count) where T : unmanaged, IBinaryInteger<T>
    {
        var distances = new ushort[count];
        var values = new T[count];
        int farthest = (1 << width) - 1;
        int entry = 0;
        int at = 0;
        int next = elements.IndexOfAnyExcept(background);
        while (next >= 0)
        {
            for (; next - at > farthest; at += farthest)
            {
                distances[entry] = (ushort)farthest;
                values[entry++] = background;
            }

            distances[entry] = (ushort)(next - at);
            values[entry++] = elements[at = next];
            int zeros = elements[(at + 1)..].IndexOfAnyExcept(background);
            next = zeros < 0 ? -1 : at + 1 + zeros;
        }

        return entry == count ? new(distances, values) : throw new InvalidOperationException($"{entry} entries where {count} were counted.");
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
