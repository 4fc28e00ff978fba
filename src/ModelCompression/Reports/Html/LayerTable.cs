using System.Globalization;
using System.Text;
using static ModelCompression.Reports.Html.HtmlText;

namespace ModelCompression.Reports.Html;

/// <summary>Every weight with what was done to it, and why.</summary>
internal static class LayerTable
{
    /// <summary>Appends the table; bars in it need no script.</summary>
    public static void Append(StringBuilder page, IReadOnlyList<LayerFigures> layers)
    {
        if (layers.Count == 0) return;
        long largest = Math.Max(1, layers.Max(l => l.OriginalBytes));
        AppendFolded(page, "layers", "Weights", ["node", "operator", "bytes before and after", "bits", "zeros", "SQNR dB", "what, and why"], layers.Select(layer => new[]
        {
            Text(layer.Node),
            Text(layer.OpType),
            $"<div class=\"bars\">{Bar("before", layer.OriginalBytes, largest)}{Bar("after", layer.CompressedBytes, largest)}</div>",
            layer.Bits.ToString(CultureInfo.InvariantCulture),
            Number(layer.Sparsity * 100, "0.0") + " %",
            layer.SqnrDb is { } db ? Number(db, "0.0") : "–",
            Text(layer.Reason.Length == 0 ? layer.Action : $"{layer.Action} ({layer.Reason})"),
        }));
    }

    private static string Bar(string kind, long bytes, long largest) =>
        $"<span class=\"bar {kind}\" style=\"width:{Number(100.0 * bytes / largest, "0.##")}%\"></span><span class=\"label\">{Bytes(bytes)}</span>";
}
