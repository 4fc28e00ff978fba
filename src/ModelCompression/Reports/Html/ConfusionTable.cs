using System.Globalization;
using System.Text;
using static ModelCompression.Reports.Html.HtmlText;

namespace ModelCompression.Reports.Html;

/// <summary>Which classes a classifier confuses now and did not before, and the other way round.</summary>
internal static class ConfusionTable
{
    private const int LargestMatrix = 25;
    private const int ListedChanges = 30;

    /// <summary>Appends a matrix of changes for few classes, a list of the largest changes for many.</summary>
    public static void Append(StringBuilder page, ConfusionFigures confusion)
    {
        var changed = confusion.Cells.Where(c => c.Original != c.Compressed).ToList();
        page.Append("<section id=\"confusion\">\n<h2>Classes confused: change by compression</h2>\n");
        if (changed.Count == 0) page.Append("<p>Every sample gets the class it got before.</p>\n");
        else if (confusion.Classes <= LargestMatrix) AppendMatrix(page, confusion);
        else AppendList(page, changed);
        page.Append("</section>\n");
    }

    private static void AppendMatrix(StringBuilder page, ConfusionFigures confusion)
    {
        var cells = confusion.Cells.ToDictionary(c => (c.Label, c.Predicted));
        double largest = Math.Max(1, confusion.Cells.Max(c => Math.Abs(c.Compressed - c.Original)));
        page.Append("<p>Rows are true classes, columns predictions; a cell shows how many samples more or fewer. On the diagonal more is better.</p>\n<div class=\"scroll\"><table class=\"matrix\">\n<thead><tr><th></th>");
        for (int i = 0; i < confusion.Classes; i++) page.Append(CultureInfo.InvariantCulture, $"<th>{i}</th>");
        page.Append("</tr></thead>\n<tbody>\n");
        for (int label = 0; label < confusion.Classes; label++)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><th>{label}</th>");
            for (int predicted = 0; predicted < confusion.Classes; predicted++) page.Append(Cell(cells.GetValueOrDefault((label, predicted)), label == predicted, largest));
            page.Append("</tr>\n");
        }

        page.Append("</tbody>\n</table></div>\n");
    }

    private static string Cell(ConfusionCell? cell, bool diagonal, double largest)
    {
        int change = cell is null ? 0 : cell.Compressed - cell.Original;
        string title = cell is null ? "" : FormattableString.Invariant($" title=\"{cell.Original} before, {cell.Compressed} after\"");
        if (change == 0) return $"<td{title}>·</td>";
        string kind = change > 0 == diagonal ? "better" : "worse";
        return FormattableString.Invariant($"<td class=\"{kind}\" style=\"--strength:{Math.Abs(change) / largest:0.##}\"{title}>{change:+0;-0}</td>");
    }

    private static void AppendList(StringBuilder page, List<ConfusionCell> changed) =>
        AppendTable(page, ["true class", "predicted", "before", "after"], changed.OrderByDescending(c => Math.Abs(c.Compressed - c.Original)).ThenBy(c => c.Label).ThenBy(c => c.Predicted).Take(ListedChanges)
            .Select(c => new[] { c.Label, c.Predicted, c.Original, c.Compressed }.Select(n => n.ToString(CultureInfo.InvariantCulture)).ToArray()));
}
