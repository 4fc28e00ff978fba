using System.Globalization;

namespace ModelCompression.Data;

/// <summary>Orders <c>test_data_set_2</c> before <c>test_data_set_10</c>, whatever the file system gives.</summary>
internal static class NumberedNames
{
    /// <summary>By the number at the end, then ordinally.</summary>
    public static IComparer<string> Comparer { get; } = Comparer<string>.Create((a, b) =>
        NumberOf(a).CompareTo(NumberOf(b)) is not 0 and var order ? order : string.CompareOrdinal(a, b));

    private static long NumberOf(string name)
    {
        int start = name.Length;
        while (start > 0 && char.IsAsciiDigit(name[start - 1])) start--;
        return long.TryParse(name.AsSpan(start), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : long.MaxValue;
    }
}
