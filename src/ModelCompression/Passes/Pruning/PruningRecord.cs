using ModelCompression.Analysis;

namespace ModelCompression.Passes.Pruning;

/// <summary>Reports about weights.</summary>
internal static class PruningRecord
{
    /// <summary>The record of a weight, made on first use.</summary>
    public static LayerRecord Of(PassLog log, WeightSite site) => log.Layer(site.Value, () => new LayerRecord(site.Node.DisplayName, site.Node.OpType, site.Value.Name)
    {
        OriginalBytes = site.Tensor.ByteLength,
        CompressedBytes = site.Tensor.ByteLength,
        Bits = 8 * (int)(site.Tensor.ByteLength / Math.Max(1, site.Tensor.ElementCount)),
    });

    /// <summary>Adds to what was done before.</summary>
    public static void AddAction(this LayerRecord record, string action) =>
        record.Action = record.Action == "unchanged" ? action : $"{record.Action}, {action}";
}
