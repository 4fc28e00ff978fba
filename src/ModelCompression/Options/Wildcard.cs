using System.IO.Enumeration;

namespace ModelCompression.Options;

/// <summary>Matching of names against patterns with <c>*</c>; ordinal. Names of nodes are case-sensitive as ONNX has them; operators are values that users write, in any case.</summary>
public static class Wildcard
{
    /// <summary>True if one of the patterns matches the whole name.</summary>
    public static bool MatchesAny(IReadOnlyList<string> patterns, string name) => MatchesAny(patterns, name, StringComparison.Ordinal);

    /// <summary>True if one of the patterns matches the operator's whole name, in any case.</summary>
    public static bool MatchesOperator(IReadOnlyList<string> patterns, string opType) => MatchesAny(patterns, opType, StringComparison.OrdinalIgnoreCase);

    /// <summary>True if the pattern matches the whole name; <c>?</c> and <c>\</c> are ordinary characters.</summary>
    public static bool Matches(string pattern, string name) => Matches(pattern, name, StringComparison.Ordinal);

    private static bool MatchesAny(IReadOnlyList<string> patterns, string name, StringComparison comparison)
    {
        foreach (string pattern in patterns)
            if (Matches(pattern, name, comparison)) return true;
        return false;
    }

    private static bool Matches(string pattern, string name, StringComparison comparison) =>
        pattern.Contains('*', StringComparison.Ordinal)
            ? FileSystemName.MatchesSimpleExpression(Escape(pattern), name, ignoreCase: comparison == StringComparison.OrdinalIgnoreCase)
            : string.Equals(pattern, name, comparison);

    private static string Escape(string pattern) =>
        pattern.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("?", "\\?", StringComparison.Ordinal);
}
