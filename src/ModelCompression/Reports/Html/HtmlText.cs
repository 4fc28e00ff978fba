using System.Globalization;
using System.Net;
using System.Text;

namespace ModelCompression.Reports.Html;

/// <summary>Pieces of pages: texts and numbers, the same in every culture.</summary>
internal static class HtmlText
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <summary>Text with what means something to HTML escaped.</summary>
    public static string Text(string text) => WebUtility.HtmlEncode(text);

    /// <summary>A number, or ∞.</summary>
    public static string Number(double? value, string format) => value?.ToString(format, Invariant) ?? "∞";

    /// <summary>A change in percent with its sign.</summary>
    public static string Signed(double fraction) => (fraction * 100).ToString("+0.0;-0.0;0.0", Invariant) + " %";

    /// <summary>A whole number with separators.</summary>
    public static string Count(long value) => value.ToString("N0", Invariant);

    /// <summary>A whole number in three digits: 19.7 M.</summary>
    public static string Short(long value) => value switch
    {
        < 10_000 => Count(value),
        < 1_000_000 => ThreeDigits(value / 1e3) + "\u00a0k",
        < 1_000_000_000 => ThreeDigits(value / 1e6) + "\u00a0M",
        _ => ThreeDigits(value / 1e9) + "\u00a0G",
    };

    /// <summary>A sentence for those who meet a figure for the first time.</summary>
    public static string Hint(string text) => $"<p class=\"hint\">{Text(text)}</p>\n";

    /// <summary>Bars that compare bytes before and after, as HTML; they need no script.</summary>
    public static string Bars(long before, long after, long largest) => $"<div class=\"bars\">{Bar("before", before, largest)}{Bar("after", after, largest)}</div>";

    private static string Bar(string kind, long bytes, long largest) =>
        $"<span class=\"track\"><span class=\"bar {kind}\" style=\"width:{Number(100.0 * bytes / largest, "0.##")}%\"></span></span><span class=\"label\">{Bytes(bytes)}</span>";

    /// <summary>A size in powers of ten.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        < 1000 => $"{bytes.ToString(Invariant)}\u00a0B",
        < 1_000_000 => ThreeDigits(bytes / 1e3) + "\u00a0kB",
        < 1_000_000_000 => ThreeDigits(bytes / 1e6) + "\u00a0MB",
        _ => ThreeDigits(bytes / 1e9) + "\u00a0GB",
    };

    private static string ThreeDigits(double value) => Number(value, value < 10 ? "0.00" : value < 100 ? "0.0" : "0");

    /// <summary>A table that scrolls sideways on narrow screens.</summary>
    /// <param name="page">Takes it.</param>
    /// <param name="head">Titles of columns.</param>
    /// <param name="rows">Cells as HTML.</param>
    public static void AppendTable(StringBuilder page, string[] head, IEnumerable<string[]> rows)
    {
        page.Append("<div class=\"scroll\"><table>\n<thead><tr>");
        foreach (string cell in head) page.Append($"<th>{Text(cell)}</th>");
        page.Append("</tr></thead>\n<tbody>\n");
        foreach (var row in rows) page.Append("<tr>").AppendJoin("", row.Select(cell => $"<td>{cell}</td>")).Append("</tr>\n");
        page.Append("</tbody>\n</table></div>\n");
    }

    /// <summary>A section that folds, closed when long.</summary>
    public static void AppendFolded(StringBuilder page, string id, string title, string[] head, IEnumerable<string[]> rows)
    {
        var all = rows.ToList();
        if (all.Count == 0) return;
        page.Append($"<details id=\"{id}\"{(all.Count <= 12 ? " open" : "")}>\n<summary><h2>{Text(title)}</h2> <span class=\"count\">{all.Count.ToString(Invariant)}</span></summary>\n");
        AppendTable(page, head, all);
        page.Append("</details>\n");
    }

    /// <summary>Begins a page; the caller ends it with <see cref="End"/>.</summary>
    public static StringBuilder Begin(string title)
    {
        var page = new StringBuilder();
        page.Append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n");
        return page.Append($"<link rel=\"icon\" href=\"data:,\">\n<title>{Text(title)}</title>\n<style>\n{PageResources.Style}</style>\n</head>\n<body>\n<main>\n");
    }

    /// <summary>Ends a page.</summary>
    /// <returns>UTF-8 with line feeds.</returns>
    public static byte[] End(StringBuilder page, string footer)
    {
        page.Append($"<footer>{footer}</footer>\n</main>\n</body>\n</html>\n");
        return Encoding.UTF8.GetBytes(page.ToString());
    }
}
