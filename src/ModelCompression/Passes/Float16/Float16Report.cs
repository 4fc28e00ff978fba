using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;

namespace ModelCompression.Passes.Float16;

/// <summary>Writes down what became of each constant.</summary>
internal sealed class Float16Report(string pass, PassLog log)
{
    /// <summary>Constants smaller than this are left out of the report when they stay as they are.</summary>
    private const long ReportedByteLength = 4096;

    private const int HalfBits = 16;

    /// <summary>A constant that is computed with in binary16.</summary>
    public void Computed(ConvertedConstant constant) =>
        Rounded(constant.Value, 2 * constant.Content.Tensor.ByteLength, constant.Consumer, constant.Content, "float16", "");

    /// <summary>A constant that is stored in binary16 and computed with in binary32.</summary>
    public void Stored(Value value, Tensor original, Node consumer, Float16Tensor rounded, string whyFloat) =>
        Rounded(value, original.ByteLength, consumer, rounded, "stored as float16, folded", whyFloat.Length > 0 ? $"computed with in binary32: {whyFloat}" : "");

    /// <summary>A constant that stays as it is; small ones are not worth a line.</summary>
    public void Refused(Value value, Tensor tensor, Node consumer, string reason)
    {
        if (tensor.ByteLength < ReportedByteLength) return;
        var record = Record(value, tensor.ByteLength, tensor.DataType.BitWidth(), consumer);
        if (record.Bits == HalfBits) return;
        record.Reason = record.Action == "unchanged" || record.Reason.Length == 0 ? reason : $"{record.Reason}; {reason}";
        log.Refused(pass, record.Weight, reason);
    }

    private void Rounded(Value value, long originalByteLength, Node consumer, Float16Tensor rounded, string action, string reason)
    {
        var record = Record(value, originalByteLength, 32, consumer);
        record.Bits = HalfBits;
        record.CompressedBytes = rounded.Tensor.ByteLength;
        record.Lose(LossStep.Rounding, rounded.Noise, rounded.Noise.Signal);
        record.Action = record.Action == "unchanged" ? action : $"{record.Action}, {action}";
        record.Reason = string.Join("; ", new[] { reason, Clamped(rounded) }.Where(r => r.Length > 0));
        log.Applied(pass, record.Weight, record.Action);
    }

    private static string Clamped(Float16Tensor rounded)
    {
        string large = rounded.Overflows > 0 ? FormattableString.Invariant($"{rounded.Overflows} elements beyond ±65504 became that") : "";
        string small = rounded.Underflows > 0 ? FormattableString.Invariant($"{rounded.Underflows} elements were raised to ±2^-24, the smallest of binary16") : "";
        return large.Length > 0 && small.Length > 0 ? $"{large}; {small}" : large + small;
    }

    private LayerRecord Record(Value value, long byteLength, int bits, Node consumer)
    {
        string name = value.Name;
        return log.Layer(value, () => new LayerRecord(consumer.DisplayName, consumer.OpType, name) { OriginalBytes = byteLength, CompressedBytes = byteLength, Bits = bits });
    }
}
