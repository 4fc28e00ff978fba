using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Float16;

namespace ModelCompression.Passes.Pruning;

/// <summary>Reports about weights.</summary>
internal static class PruningRecord
{
    /// <summary>The record of a weight, made on first use.</summary>
    public static LayerRecord Of(PassLog log, WeightSite site) => Of(log, site.Value, site.Tensor, site.Operator);

    /// <summary>The record of a constant, made on first use.</summary>
    /// <param name="log">The log.</param>
    /// <param name="value">The constant.</param>
    /// <param name="tensor">Its content.</param>
    /// <param name="consumer">Its first consumer.</param>
    public static LayerRecord Of(PassLog log, Value value, Tensor tensor, Node consumer) => Of(log, value, tensor, (consumer.DisplayName, consumer.OpType));

    /// <summary>The record of a constant, made on first use.</summary>
    /// <param name="log">The log.</param>
    /// <param name="value">The constant.</param>
    /// <param name="tensor">Its content.</param>
    /// <param name="consumer">Display name and operator of its first consumer, which may have been replaced since.</param>
    public static LayerRecord Of(PassLog log, Value value, Tensor tensor, (string Node, string OpType) consumer)
    {
        string name = value.Name;
        var stored = WidenedTensorData.StoredAs(tensor);
        return log.Layer(value, () => new LayerRecord(consumer.Node, consumer.OpType, name)
        {
            OriginalBytes = stored.ByteLength,
            CompressedBytes = stored.ByteLength,
            Bits = stored.DataType.BitWidth(),
        });
    }

    /// <summary>Adds to what was done before.</summary>
    public static void AddAction(this LayerRecord record, string action) =>
        record.Action = record.Action == "unchanged" ? action : $"{record.Action}, {action}";
}
