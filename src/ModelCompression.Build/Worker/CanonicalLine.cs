using System.Globalization;
using System.Text.RegularExpressions;

namespace ModelCompression.Build.Worker;

/// <summary>A line <c>file(line,column): error CODE: text</c>, the form every compiler and IDE understands.</summary>
internal sealed class CanonicalLine
{
    private static readonly Regex Form = new(
        @"^(?:(?<file>.*?)(?:\((?<line>\d+)(?:,(?<column>\d+))?\))?\s*:\s*)?(?<severity>error|warning|message)\s+(?<code>[A-Z]+\d{4}):\s*(?<text>.*)$",
        RegexOptions.CultureInvariant);

    private CanonicalLine(Match match)
    {
        File = match.Groups["file"].Value;
        Line = Number(match.Groups["line"]);
        Column = Number(match.Groups["column"]);
        Severity = match.Groups["severity"].Value;
        Code = match.Groups["code"].Value;
        Text = match.Groups["text"].Value;
    }

    public string File { get; }

    public int Line { get; }

    public int Column { get; }

    /// <summary><c>error</c>, <c>warning</c> or <c>message</c>.</summary>
    public string Severity { get; }

    public string Code { get; }

    public string Text { get; }

    /// <summary>Reads a line; null when it has another form.</summary>
    public static CanonicalLine? TryParse(string text)
    {
        var match = Form.Match(text);
        return match.Success ? new CanonicalLine(match) : null;
    }

    private static int Number(Group group) =>
        int.TryParse(group.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
