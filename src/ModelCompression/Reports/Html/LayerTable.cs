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
        AppendFolded(page, "layers", "Weights", ["node", "operator", "bytes before and after", "bits", "removed or zero", "SQNR dB", "what, and why"], layers.Select(layer => new[]
        {
            layer.Weight.Length == 0 || layer.Weight == layer.Node ? Text(layer.Node) : $"{Text(layer.Node)}<span class=\"label\">{Text(layer.Weight)}</span>",
            Text(layer.OpType),
            Bars(layer.OriginalBytes, layer.CompressedBytes, largest),
            layer.Bits.ToString(CultureInfo.InvariantCulture),
            Number(layer.Sparsity * 100, "0.0") + " %",
            layer.SqnrDb is { } db ? Number(db, "0.0") : "–",
            Text(layer.Reason.Length == 0 ? layer.Action : $"{layer.Action} ({layer.Reason})"),
        }));
    }
}
