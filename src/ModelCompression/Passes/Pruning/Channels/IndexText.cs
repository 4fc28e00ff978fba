using System.Globalization;

namespace ModelCompression.Passes.Pruning.Channels;

/// <summary>Marked positions as text for people: <c>0-3 7 9</c>.</summary>
internal static class IndexText
{
    /// <summary>The marked positions, runs of them as ranges.</summary>
    public static string Write(ReadOnlySpan<bool> marks)
    {
        var parts = new List<string>();
        for (int i = 0; i < marks.Length; i++)
        {
            if (!marks[i]) continue;
            int first = i;
            while (i + 1 < marks.Length && marks[i + 1]) i++;
            parts.Add(first == i ? string.Create(CultureInfo.InvariantCulture, $"{first}") : string.Create(CultureInfo.InvariantCulture, $"{first}-{i}"));
        }

        return string.Join(' ', parts);
    }

    /// <summary>The marks of such a text; null when it is no such text or names a position beyond <paramref name="count"/>.</summary>
    public static bool[]? TryRead(string text, int count)
    {
        var marks = new bool[count];
        foreach (string part in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] ends = part.Split('-');
            if (ends.Length > 2 || !TryParse(ends[0], out int first) || !TryParse(ends[^1], out int last) || first > last || last >= count) return null;
            marks.AsSpan(first, last - first + 1).Fill(true);
        }

        return marks;
    }

    private static bool TryParse(string text, out int position) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out position);
}
