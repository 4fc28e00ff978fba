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

    /// <summary>A size in powers of ten.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        < 1000 => $"{bytes.ToString(Invariant)}\u00a0B",
        < 1_000_000 => Number(bytes / 1e3, "0.0") + "\u00a0kB",
        < 1_000_000_000 => Number(bytes / 1e6, "0.00") + "\u00a0MB",
        _ => Number(bytes / 1e9, "0.00") + "\u00a0GB",
    };

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
