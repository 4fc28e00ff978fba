using System.IO.Enumeration;

namespace ModelCompression.Options;

/// <summary>Matching of names against patterns with <c>*</c>; ordinal, case-sensitive as ONNX names are.</summary>
public static class Wildcard
{
    /// <summary>True if one of the patterns matches the whole name.</summary>
    public static bool MatchesAny(IReadOnlyList<string> patterns, string name)
    {
        foreach (string pattern in patterns)
            if (Matches(pattern, name)) return true;
        return false;
    }

    /// <summary>True if the pattern matches the whole name; <c>?</c> and <c>\</c> are ordinary characters.</summary>
    public static bool Matches(string pattern, string name) =>
        pattern.Contains('*', StringComparison.Ordinal)
            ? FileSystemName.MatchesSimpleExpression(Escape(pattern), name, ignoreCase: false)
            : string.Equals(pattern, name, StringComparison.Ordinal);

    private static string Escape(string pattern) =>
        pattern.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("?", "\\?", StringComparison.Ordinal);
}
