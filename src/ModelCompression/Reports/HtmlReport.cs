using System.Globalization;
using System.Net;
using System.Text;

namespace ModelCompression.Reports;

/// <summary>The report as one self-contained HTML page: no scripts, no network, light and dark, from phone width up.</summary>
public static class HtmlReport
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <summary>UTF-8 page with line feeds.</summary>
    public static byte[] Serialize(CompressionReport report)
    {
        var page = new StringBuilder();
        page.Append("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        page.Append($"<title>{Text(report.Model)} – compression report</title>\n<style>\n{Style}</style>\n</head>\n<body>\n<main>\n");
        page.Append($"<h1>{Text(report.Model)}</h1>\n");
        if (report.Status == "original") page.Append($"<p class=\"note\">The original is shipped as it is: {Text(report.StatusReason ?? "")}.</p>\n");
        AppendHeadline(page, report);
        AppendGates(page, report);
        AppendLayers(page, report);
        AppendTable(page, "Settings", ["setting", "value"], report.Settings.Select(s => new[] { s.Key, s.Value }));
        AppendTable(page, "Left alone, and why", ["pass", "target", "reason"], report.Edits.Where(e => !e.Applied).Select(e => new[] { e.Pass, e.Target, e.Reason }));
        AppendTable(page, "Graph edits", ["pass", "target", "reason"], report.Edits.Where(e => e.Applied).Select(e => new[] { e.Pass, e.Target, e.Reason }));
        page.Append($"<footer>ModelCompression.Build {Text(report.ToolVersion)} · source {Hash(report.Original)} · result {Hash(report.Compressed)}</footer>\n</main>\n</body>\n</html>\n");
        return Encoding.UTF8.GetBytes(page.ToString());
    }

    private static void AppendHeadline(StringBuilder page, CompressionReport report)
    {
        var (o, c) = (report.Original, report.Compressed);
        page.Append("<section class=\"tiles\">\n");
        Tile("Size", $"{Bytes(o.Bytes)} → {Bytes(c.Bytes)}", o.Bytes == 0 ? "" : Signed(((double)c.Bytes / o.Bytes) - 1) + (c.GzipBytes is { } gzip ? $", {Bytes(gzip)} after gzip" : ""));
        if (report.Validation is { } v)
            Tile(v.Metric, $"{Number(v.Original, "0.0000")} → {Number(v.Compressed, "0.0000")}", $"on {v.Samples} samples");
        if (report.Fidelity is { } f)
            Tile("Fidelity", f.SqnrDb is { } db ? $"{Number(db, "0.0")} dB SQNR" : "outputs equal", $"cosine {Number(f.Cosine, "0.00000")}, {f.Samples} {f.Inputs} samples" + (f.TopOneAgreement is { } top ? $", same top class {Number(top * 100, "0.0")} %" : ""));
        else if (report.FidelityReason is { } reason)
            Tile("Fidelity", "not measured", reason);
        if (report.Latency is { } l)
            Tile("Latency", $"{Number(l.OriginalMs, "0.00")} → {Number(l.CompressedMs, "0.00")} ms", $"ratio {Number(l.Ratio, "0.00")}, {l.Runs} runs");
        Tile("Parameters", $"{Count(o.Parameters)} → {Count(c.Parameters)}", $"not zero: {Count(o.NonZeroParameters)} → {Count(c.NonZeroParameters)}");
        Tile("MACs per sample", $"{Count(o.Macs)} → {Count(c.Macs)}", "");
        page.Append("</section>\n");

        void Tile(string title, string value, string detail) =>
            page.Append($"<div class=\"tile\"><h2>{Text(title)}</h2><p class=\"value\">{Text(value)}</p><p>{Text(detail)}</p></div>\n");
    }

    private static void AppendGates(StringBuilder page, CompressionReport report) =>
        AppendTable(page, "Gates", ["gate", "limit", "actual", "result"],
            report.Gates.Select(g => new[] { g.Name, Number(g.Limit, "0.######"), Number(g.Actual, "0.######"), g.Passed ? "passed" : "failed" }));

    private static void AppendLayers(StringBuilder page, CompressionReport report)
    {
        if (report.Layers.Count == 0) return;
        long largest = Math.Max(1, report.Layers.Max(l => l.OriginalBytes));
        page.Append("<section>\n<h2>Weights</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>node</th><th>operator</th><th>bytes before and after</th><th>bits</th><th>zeros</th><th>SQNR dB</th><th>what, and why</th></tr></thead>\n<tbody>\n");
        foreach (var layer in report.Layers)
        {
            string what = layer.Reason.Length == 0 ? layer.Action : $"{layer.Action} ({layer.Reason})";
            page.Append($"<tr><td>{Text(layer.Node)}</td><td>{Text(layer.OpType)}</td><td class=\"bars\">{Bar("before", layer.OriginalBytes, largest)}{Bar("after", layer.CompressedBytes, largest)}</td>")
                .Append($"<td>{layer.Bits.ToString(Invariant)}</td><td>{Number(layer.Sparsity * 100, "0.0")} %</td><td>{(layer.SqnrDb is { } db ? Number(db, "0.0") : "–")}</td><td>{Text(what)}</td></tr>\n");
        }

        page.Append("</tbody>\n</table></div>\n</section>\n");
    }

    private static string Bar(string kind, long bytes, long largest) =>
        $"<span class=\"bar {kind}\" style=\"width:{Number(100.0 * bytes / largest, "0.##")}%\"></span><span class=\"label\">{Bytes(bytes)}</span>";

    private static void AppendTable(StringBuilder page, string title, string[] head, IEnumerable<string[]> rows)
    {
        var all = rows.ToList();
        if (all.Count == 0) return;
        page.Append($"<details{(all.Count <= 12 ? " open" : "")}>\n<summary><h2>{Text(title)}</h2> {all.Count.ToString(Invariant)}</summary>\n<div class=\"scroll\"><table>\n<thead><tr>");
        foreach (string cell in head) page.Append($"<th>{Text(cell)}</th>");
        page.Append("</tr></thead>\n<tbody>\n");
        foreach (var row in all) page.Append("<tr>").AppendJoin("", row.Select(cell => $"<td>{Text(cell)}</td>")).Append("</tr>\n");
        page.Append("</tbody>\n</table></div>\n</details>\n");
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);

    private static string Number(double? value, string format) => value?.ToString(format, Invariant) ?? "∞";

    private static string Signed(double fraction) => (fraction * 100).ToString("+0.0;-0.0;0.0", Invariant) + " %";

    private static string Count(long value) => value.ToString("N0", Invariant);

    private static string Hash(ModelFigures figures) => figures.Sha256.Length >= 12 ? figures.Sha256[..12] : "–";

    private static string Bytes(long bytes) => bytes switch
    {
        < 1000 => $"{bytes.ToString(Invariant)} B",
        < 1_000_000 => Number(bytes / 1e3, "0.0") + " kB",
        < 1_000_000_000 => Number(bytes / 1e6, "0.00") + " MB",
        _ => Number(bytes / 1e9, "0.00") + " GB",
    };

    private const string Style = """
        :root { color-scheme: light dark; --ink: #1c2430; --dim: #5b6675; --paper: #ffffff; --card: #f3f5f8; --line: #d8dee6; --before: #9fb0c6; --after: #1b7f5c; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --dim: #9aa6b5; --paper: #12161c; --card: #1c222b; --line: #313a46; --before: #56657a; --after: #41c296; } }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
        main { max-width: 72rem; margin: 0 auto; padding: 1rem; }
        h1 { font-size: 1.5rem; overflow-wrap: anywhere; }
        h2 { font-size: 1rem; margin: 0; display: inline; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .75rem; margin-bottom: 1rem; }
        .tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; }
        .tile h2, .tile p { color: var(--dim); margin: 0; }
        .tile .value { color: var(--ink); font-size: 1.25rem; font-variant-numeric: tabular-nums; }
        .note { border-left: .25rem solid var(--before); padding-left: .75rem; }
        section, details { margin: 1rem 0; }
        summary { cursor: pointer; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
        th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
        th { color: var(--dim); font-weight: 600; }
        .bars { min-width: 12rem; }
        .bar { display: inline-block; height: .6rem; min-width: 1px; border-radius: .2rem; max-width: 65%; }
        .before { background: var(--before); }
        .after { background: var(--after); }
        .label { color: var(--dim); font-size: .8rem; margin-left: .4rem; }
        .label::after { content: "\A"; white-space: pre; }
        footer { color: var(--dim); font-size: .85rem; margin-top: 2rem; overflow-wrap: anywhere; }

        """;
}
