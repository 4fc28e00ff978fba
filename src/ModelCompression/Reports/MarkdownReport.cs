using System.Globalization;
using System.Text;

namespace ModelCompression.Reports;

/// <summary>The report for a pull request: headline, gates, and the weights that lost most.</summary>
public static class MarkdownReport
{
    private const int LayerCount = 10;

    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <summary>UTF-8 Markdown with line feeds.</summary>
    public static byte[] Serialize(CompressionReport report)
    {
        var page = new StringBuilder();
        page.Append($"### {report.Model}\n\n{SummaryLine.Format(report)}\n\n");
        page.Append("| | original | compressed |\n|---|---:|---:|\n");
        Row("bytes", report.Original.Bytes, report.Compressed.Bytes);
        Row("parameters", report.Original.Parameters, report.Compressed.Parameters);
        Row("parameters not zero", report.Original.NonZeroParameters, report.Compressed.NonZeroParameters);
        Row("MACs per run", report.Original.Macs, report.Compressed.Macs);
        if (report.Validation is { } v)
            page.Append(Invariant, $"| {v.Metric} ({v.Samples} samples) | {v.Original:0.0000} | {v.Compressed:0.0000} |\n");
        if (report.Latency is { } l)
            page.Append(Invariant, $"| latency, ms | {l.OriginalMs:0.00} | {l.CompressedMs:0.00} |\n");
        foreach (var gate in report.Gates)
            page.Append(Invariant, $"\n- {gate.Name}: {gate.Show(gate.Actual)} (limit {gate.Show(gate.Limit)}) {(gate.Passed ? "passed" : "**failed**")}");
        var worst = report.Layers.Where(x => x.SqnrDb is not null).OrderBy(x => x.SqnrDb).Take(LayerCount).ToList();
        if (report.Gates.Count > 0) page.Append('\n');
        if (worst.Count > 0) page.Append("\n| weight of | operator | bits | removed or zero | SQNR dB |\n|---|---|---:|---:|---:|\n");
        foreach (var layer in worst)
            page.Append(Invariant, $"| {Cell(layer.Node)} | {layer.OpType} | {layer.Bits} | {layer.Sparsity * 100:0.0} % | {layer.SqnrDb:0.0} |\n");
        return Encoding.UTF8.GetBytes(page.ToString());

        void Row(string name, long original, long compressed) => page.Append(Invariant, $"| {name} | {original:N0} | {compressed:N0} |\n");
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
