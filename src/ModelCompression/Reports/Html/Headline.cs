using System.Text;
using static ModelCompression.Reports.Html.HtmlText;

namespace ModelCompression.Reports.Html;

/// <summary>The figures one looks at first.</summary>
internal static class Headline
{
    /// <summary>Appends the tiles.</summary>
    public static void Append(StringBuilder page, CompressionReport report)
    {
        var (o, c) = (report.Original, report.Compressed);
        page.Append("<section class=\"tiles\">\n");
        Tile("Size", $"{Bytes(o.Bytes)} → {Bytes(c.Bytes)}", o.Bytes == 0 ? "" : Signed(((double)c.Bytes / o.Bytes) - 1) + (c.GzipBytes is { } gzip ? $", {Bytes(gzip)} after gzip" : ""));
        if (report.Validation is { } v)
            Tile(v.Metric, $"{Number(v.Original, "0.0000")} → {Number(v.Compressed, "0.0000")}", $"on {Count(v.Samples)} samples");
        if (report.Fidelity is { OutputsVary: false } saturated)
            Tile("Fidelity", "not judged", $"the original's outputs do not vary on {saturated.Samples} {saturated.Inputs} samples; give ValidationData");
        else if (report.Fidelity is { } f)
            Tile("Fidelity", f.SqnrDb is { } db ? $"{Number(db, "0.0")} dB SQNR" : "outputs equal", $"cosine {Number(f.Cosine, "0.00000")}, {f.Samples} {f.Inputs} samples{(report.IsFidelityFitted ? " that weights were fitted to" : "")}" + (f.TopOneAgreement is { } top ? $", same top class {Number(top * 100, "0.0")} %" : ""));
        else if (report.FidelityReason is { } reason)
            Tile("Fidelity", "not measured", reason);
        if (report.Latency is { } l)
            Tile("Latency", $"{Number(l.OriginalMs, "0.00")} → {Number(l.CompressedMs, "0.00")} ms", $"ratio {Number(l.Ratio, "0.00")}, {l.Runs} runs");
        Tile("Parameters", Change(o.Parameters, c.Parameters), c.NonZeroParameters < c.Parameters ? $"{Short(c.NonZeroParameters)} of them are not zero" : o.Parameters == c.Parameters ? "as many as before" : Signed(((double)c.Parameters / o.Parameters) - 1));
        int[] bits = [.. report.Layers.Select(l => l.Bits)];
        if (report.Quantization.MeanBits is { } mean && bits.Length > 0 && report.Status != "original")
            Tile("Bits per weight", bits.Min() == bits.Max() ? Number(mean, "0.#") : $"{Number(mean, "0.0")} on average", bits.Min() == bits.Max() ? "the same for all weights" : FormattableString.Invariant($"from {bits.Min()} to {bits.Max()}"));
        Tile("Multiplications per run", Change(o.Macs, c.Macs), o.Macs == c.Macs ? "as many as before" : o.Macs == 0 ? "" : Signed(((double)c.Macs / o.Macs) - 1));
        page.Append("</section>\n");

        static string Change(long before, long after) => before == after ? Short(after) : $"{Short(before)} → {Short(after)}";

        void Tile(string title, string value, string detail) =>
            page.Append($"<div class=\"tile\"><h2>{Text(title)}</h2><p class=\"value\">{Text(value)}</p><p>{Text(detail)}</p></div>\n");
    }
}
