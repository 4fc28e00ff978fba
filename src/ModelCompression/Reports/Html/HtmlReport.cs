using System.Text;
using static ModelCompression.Reports.Html.HtmlText;

namespace ModelCompression.Reports.Html;

/// <summary>
/// The report as one self-contained page: no network, light and dark, from phone width up. Everything that matters is text and tables; the charts are drawn by scripts
/// that the page carries.
/// </summary>
public static class HtmlReport
{
    private const int ChartedLayers = 40;

    /// <summary>UTF-8 page with line feeds.</summary>
    public static byte[] Serialize(CompressionReport report)
    {
        var page = Begin($"{report.Model} – compression report");
        page.Append($"<h1>{Text(report.Model)}</h1>\n");
        if (report.Status == "original") page.Append($"<p class=\"note\">The original is shipped as it is: {Text(report.StatusReason ?? "")}.</p>\n");
        Headline.Append(page, report);
        AppendGates(page, report);
        AppendTrials(page, report);
        AppendCharts(page, report);
        LayerTable.Append(page, report.Layers);
        AppendFolded(page, "refused", "Left alone, and why", ["pass", "target", "reason"], report.Edits.Where(e => !e.Applied).Select(e => new[] { Text(e.Pass), Text(e.Target), Text(e.Reason) }));
        AppendFolded(page, "settings", "Settings", ["setting", "value"], report.Settings.Select(s => new[] { Text(s.Key), Text(s.Value + StoredBits(report, s.Key)) }));
        AppendFolded(page, "edits", "Graph edits", ["pass", "target", "reason"], report.Edits.Where(e => e.Applied).Select(e => new[] { Text(e.Pass), Text(e.Target), Text(e.Reason) }));
        AppendScripts(page, report);
        return End(page, $"ModelCompression.Build {Text(report.ToolVersion)}<br>source SHA-256 <code>{report.Original.Sha256}</code><br>result SHA-256 <code>{report.Compressed.Sha256}</code>");
    }

    /// <summary>Where the precision is chosen per weight, the setting is not what weights have.</summary>
    private static string StoredBits(CompressionReport report, string setting)
    {
        int[] bits = [.. report.Layers.Where(l => l.Action != "unchanged").Select(l => l.Bits)];
        return setting != "WeightBits" || bits.Length == 0 || bits.Min() == bits.Max() ? "" : FormattableString.Invariant($" (chosen per weight: {bits.Min()} to {bits.Max()})");
    }

    private static void AppendGates(StringBuilder page, CompressionReport report) =>
        AppendFolded(page, "gates", "Gates", ["gate", "limit", "actual", "result"], report.Gates.Select(g => new[]
        {
            Text(g.Name), Text(g.Show(g.Limit)), Text(g.Show(g.Actual)), g.Passed ? "<span class=\"passed\">passed</span>" : "<span class=\"failed\">failed</span>",
        }));

    private static void AppendTrials(StringBuilder page, CompressionReport report)
    {
        if (report.Trials is not { Count: > 0 } trials) return;
        page.Append("<section>\n<h2>Search</h2>\n");
        page.Append(Hint($"Every point is a model that was made and judged: the farther left the smaller, the {(report.Validation?.LowerIsBetter == true ? "lower" : "higher")} the better. Dashed lines are the limits that gates set."));
        AppendCanvas(page, "trials-chart", "Size and metric of every trial");
        page.Append("</section>\n");
        AppendFolded(page, "trials", "Trials", ["no.", "candidate", "bytes", "metric", "result", "settings"], trials.Select(t => new[]
        {
            t.Number.ToString(System.Globalization.CultureInfo.InvariantCulture), Text(t.Name), t.Bytes == 0 ? "–" : Count(t.Bytes), t.Metric is { } m ? Number(m, "0.0000") : "–",
            t.Chosen ? "<span class=\"passed\">chosen</span>" : t.Passed ? "passed" : $"<span class=\"failed\">{Text(t.Problem)}</span>", Text(t.Settings),
        }));
    }

    private static void AppendCharts(StringBuilder page, CompressionReport report)
    {
        if (report.Layers.Count > 0)
        {
            page.Append($"<section>\n<h2>Layers{(report.Layers.Count > ChartedLayers ? $" (the {ChartedLayers} largest)" : "")}</h2>\n");
            page.Append(Hint("Where the bytes were, and what is left of them. Signal to noise tells how close stored weights are to the original ones: at 20 dB the error has a hundredth of their power, at 40 dB a ten-thousandth."));
            page.Append("<div class=\"charts\">\n");
            AppendCanvas(page, "bytes-chart", "Bytes before and after");
            AppendCanvas(page, "bits-chart", "Bits per weight");
            if (report.Layers.Any(l => l.Sparsity > 0)) AppendCanvas(page, "sparsity-chart", "Weights removed or zero, percent");
            if (report.Layers.Any(l => l.SqnrDb is not null)) AppendCanvas(page, "sqnr-chart", "Signal to noise of the weights, dB");
            page.Append("</div>\n</section>\n");
        }

        if (report.Details is not { } details) return;
        if (details.Histograms.Count > 0)
        {
            page.Append("<section>\n<h2>Weights before and after, where most was lost</h2>\n");
            page.Append(Hint("How many weights have which value, on a logarithmic scale. A layer whose weights were scaled for its neighbour's sake is narrower or wider afterwards without any loss."));
            page.Append("<div class=\"charts\">\n");
            for (int i = 0; i < details.Histograms.Count; i++)
                AppendCanvas(page, FormattableString.Invariant($"histogram-{i}"), $"{details.Histograms[i].Node}: {details.Histograms[i].Weight}{(details.Histograms[i].SqnrDb is { } db ? $", {Number(db, "0.0")} dB" : "")}");
            page.Append("</div>\n</section>\n");
        }

        if (details.Gradients is not null) Section("Gradients over training batches", "gradients-chart", "Mean and standard deviation of every unit's gradient", "A unit whose gradient is near zero in every batch does nothing for the task. " + (details.Gradients.MeanThreshold is null ? "The lowest-ranked ones go." : "What is removed lies within the thresholds."));
        if (details.Ranges.Count > 0) Section("Calibration", "ranges-chart", "Ranges of activations", "What the layers compute on the calibration data lies within these ranges, and the codes of an integer are spread over them: the wider, the coarser.");
        if (details.Confusion is { } confusion) ConfusionTable.Append(page, confusion);

        void Section(string title, string id, string label, string hint)
        {
            page.Append($"<section>\n<h2>{title}</h2>\n{Hint(hint)}");
            AppendCanvas(page, id, label);
            page.Append("</section>\n");
        }
    }

    private static void AppendCanvas(StringBuilder page, string id, string label) =>
        page.Append($"<figure><figcaption>{Text(label)}</figcaption><div class=\"chart\"><canvas id=\"{id}\" role=\"img\" aria-label=\"{Text(label)}\"></canvas></div></figure>\n");

    private static void AppendScripts(StringBuilder page, CompressionReport report)
    {
        var data = new ChartData
        {
            Layers = [.. report.Layers.OrderByDescending(l => l.OriginalBytes).Take(ChartedLayers)],
            Trials = report.Trials,
            Metric = report.Validation?.Metric ?? "",
            LowerIsBetter = report.Validation?.LowerIsBetter == true,
            OriginalMetric = report.Validation?.Original,
            OriginalBytes = report.Original.Bytes,
            Gates = report.Gates,
            Details = report.Details,
        };
        page.Append($"<script type=\"application/json\" id=\"data\">{data.ToScript()}</script>\n<script>\n{PageResources.ChartLibrary}\n</script>\n<script>\n{PageResources.Script}</script>\n");
    }
}
