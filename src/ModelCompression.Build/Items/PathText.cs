using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;

namespace ModelCompression.Build.Items;

/// <summary>Text of paths: what netstandard2.0 lacks, and MSBuild's escapes.</summary>
internal static class PathText
{
    private static readonly char[] Special = ['%', ';', '@', '$', '*', '?', '(', ')', '\''];

    private static readonly StringComparison FileSystem =
        Path.DirectorySeparatorChar == '\\' ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;

    /// <summary><paramref name="path"/> relative to <paramref name="directory"/> with <c>/</c>; the path itself when they share no root. Both absolute.</summary>
    public static string Relative(string directory, string path)
    {
        var from = Split(directory);
        var to = Split(path);
        var common = 0;
        while (common < from.Length && common < to.Length - 1 && string.Equals(from[common], to[common], FileSystem)) common++;
        if (common == 0 && Path.DirectorySeparatorChar == '\\') return path.Replace('\\', '/');
        var parts = new List<string>();
        for (var i = common; i < from.Length; i++) parts.Add("..");
        for (var i = common; i < to.Length; i++) parts.Add(to[i]);
        return string.Join("/", parts);
    }

    /// <summary>A relative path that stays inside its root, with <c>/</c>; null when it leaves it or is rooted.</summary>
    public static string? Contained(string path)
    {
        if (path.Length == 0 || Path.IsPathRooted(path)) return null;
        var parts = new List<string>();
        foreach (var part in Split(path))
        {
            if (part == ".") continue;
            if (part != "..") parts.Add(part);
            else if (parts.Count == 0) return null;
            else parts.RemoveAt(parts.Count - 1);
        }
        return parts.Count == 0 ? null : string.Join("/", parts);
    }

    /// <summary>Splits an escaped list at <c>;</c> and then removes the escapes, so that names may contain <c>%3B</c>.</summary>
    public static IReadOnlyList<string> List(string escaped)
    {
        var values = new List<string>();
        foreach (var part in escaped.Split(';'))
        {
            var value = Unescape(part.Trim());
            if (value.Length > 0) values.Add(value);
        }
        return values;
    }

    /// <summary>Replaces MSBuild's <c>%XX</c>.</summary>
    public static string Unescape(string escaped)
    {
        if (escaped.IndexOf('%') < 0) return escaped;
        var text = new StringBuilder(escaped.Length);
        for (var i = 0; i < escaped.Length; i++)
        {
            if (escaped[i] == '%' && i + 2 < escaped.Length && Uri.IsHexDigit(escaped[i + 1]) && Uri.IsHexDigit(escaped[i + 2]))
            {
                text.Append((char)((Uri.FromHex(escaped[i + 1]) << 4) | Uri.FromHex(escaped[i + 2])));
                i += 2;
            }
            else
            {
                text.Append(escaped[i]);
            }
        }
        return text.ToString();
    }

    /// <summary>Protects the characters that mean something to MSBuild, for item specs and metadata made by a task.</summary>
    public static string Escape(string text)
    {
        if (text.IndexOfAny(Special) < 0) return text;
        var escaped = new StringBuilder(text.Length + 8);
        foreach (var c in text)
        {
            if (Array.IndexOf(Special, c) >= 0) escaped.Append('%').Append(((int)c).ToString("X2", CultureInfo.InvariantCulture));
            else escaped.Append(c);
        }
        return escaped.ToString();
    }

    private static string[] Split(string path) =>
        (Path.DirectorySeparatorChar == '\\' ? path.Replace('\\', '/') : path).Split(['/'], StringSplitOptions.RemoveEmptyEntries);
}
