using System;
using System.Text;

namespace ModelCompression.Build.State;

/// <summary>Lines of tab-separated fields. Values may hold anything: tabs, line ends and backslashes are escaped.</summary>
internal static class StateText
{
    public static void AppendLine(StringBuilder text, params string[] fields)
    {
        for (var i = 0; i < fields.Length; i++)
        {
            if (i > 0) text.Append('\t');
            AppendEscaped(text, fields[i]);
        }
        text.Append('\n');
    }

    /// <summary>The fields of a line, padded to at least five so that a truncated line cannot fail on an index.</summary>
    public static string[] Fields(string line)
    {
        var fields = line.Split('\t');
        if (line.IndexOf('\\') >= 0)
            for (var i = 0; i < fields.Length; i++) fields[i] = Unescape(fields[i]);
        if (fields.Length >= 5) return fields;
        var padded = new[] { "", "", "", "", "" };
        Array.Copy(fields, padded, fields.Length);
        return padded;
    }

    private static void AppendEscaped(StringBuilder text, string value)
    {
        foreach (var c in value)
        {
            switch (c)
            {
                case '\\': text.Append("\\\\"); break;
                case '\t': text.Append("\\t"); break;
                case '\n': text.Append("\\n"); break;
                case '\r': text.Append("\\r"); break;
                default: text.Append(c); break;
            }
        }
    }

    private static string Unescape(string value)
    {
        var text = new StringBuilder(value.Length);
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] != '\\' || i + 1 == value.Length)
            {
                text.Append(value[i]);
                continue;
            }
            i++;
            text.Append(value[i] switch { 't' => '\t', 'n' => '\n', 'r' => '\r', var c => c });
        }
        return text.ToString();
    }
}
