using static ModelCompression.Reports.Html.HtmlText;

namespace ModelCompression.Reports.Html;

/// <summary>A page with all models of a project, linked to their reports.</summary>
public static class ProjectIndex
{
    /// <summary>Name of the page in the output folder.</summary>
    public const string FileName = "compression-report.html";

    /// <summary>UTF-8 page with line feeds.</summary>
    /// <param name="project">The project's name.</param>
    /// <param name="reports">Reports with the path of each HTML report relative to the page, with forward slashes.</param>
    public static byte[] Serialize(string project, IReadOnlyList<(string Path, CompressionReport Report)> reports)
    {
        var page = Begin($"{project} – compression report");
        long before = reports.Sum(r => r.Report.Original.Bytes), after = reports.Sum(r => r.Report.Compressed.Bytes);
        page.Append($"<h1>{Text(project)}</h1>\n<section class=\"tiles\">\n<div class=\"tile\"><h2>Size of all models</h2><p class=\"value\">{Bytes(before)} → {Bytes(after)}</p><p>{(before == 0 ? "" : Signed(((double)after / before) - 1))}</p></div>\n");
        page.Append($"<div class=\"tile\"><h2>Models</h2><p class=\"value\">{Count(reports.Count)}</p><p>{Count(reports.Count(r => r.Report.Status == "original"))} shipped as they are</p></div>\n</section>\n<section>\n");
        long largest = Math.Max(1, reports.Max(r => r.Report.Original.Bytes));
        AppendTable(page, ["model", "bytes before and after", "change", "metric", "fidelity", "gates"], reports.OrderBy(r => r.Report.Model, StringComparer.Ordinal).Select(r => Row(r.Path, r.Report, largest)));
        page.Append("</section>\n");
        return End(page, $"ModelCompression.Build {Text(reports.Count > 0 ? reports[0].Report.ToolVersion : "")}");
    }

    private static string[] Row(string path, CompressionReport report, long largest)
    {
        var (o, c) = (report.Original, report.Compressed);
        string gates = report.Gates.Count == 0 ? "–" : report.Gates.All(g => g.Passed) ? "<span class=\"passed\">passed</span>" : $"<span class=\"failed\">{Text(string.Join(", ", report.Gates.Where(g => !g.Passed).Select(g => g.Name)))}</span>";
        return
        [
            $"<a href=\"{Text(string.Join('/', path.Split('/').Select(Uri.EscapeDataString)))}\">{Text(report.Model)}</a>",
            Bars(o.Bytes, c.Bytes, largest),
            report.Status == "original" ? Text("original: " + report.StatusReason) : Signed(((double)c.Bytes / Math.Max(1, o.Bytes)) - 1),
            report.Validation is { } v ? Text($"{v.Metric} {Number(v.Original, "0.0000")} → {Number(v.Compressed, "0.0000")}") : "–",
            report.Fidelity is { } f ? f.SqnrDb is { } db ? Number(db, "0.0") + " dB" : "equal" : "–",
            gates,
        ];
    }
}
