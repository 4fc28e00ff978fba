using ModelCompression.Analysis;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Options;

namespace ModelCompression.Passes.Float16;

/// <summary>Stores binary32 weights as binary16: <c>Quantization=Float16</c>. Needs no data.</summary>
/// <remarks>
/// A stored constant is followed by Cast to binary32, which a runtime folds when a session is created: half the bytes, and the running model computes in
/// binary32 as before, with weights that are off by at most 2⁻¹¹ of themselves. A CPU that has no binary16 arithmetic loses no time.
/// </remarks>
public sealed class ConvertToFloat16 : ModelPass
{
    /// <summary>Binary16 keeps normal numbers to about 74 dB; less than this means that they lie outside its normal range.</summary>
    private const double MinSqnrDb = 40;

    /// <summary>Constants smaller than this are left out of the report when they stay as they are.</summary>
    private const long ReportedByteLength = 4096;

    /// <inheritdoc/>
    protected override void Apply(Model model, CompressionSettings settings, PassLog log)
    {
        var rules = new StoredConstants(model, settings);
        var constants = Constants(model).ToArray();
        string?[] reasons = [.. constants.Select(c => rules.WhyNot(c.Value, c.Tensor))];
        var rounded = new Float16Tensor?[constants.Length];
        Parallel.For(0, constants.Length, i => rounded[i] = reasons[i] is null ? Float16Rounding.TryRound(constants[i].Tensor) : null);
        for (int i = 0, number = 0; i < constants.Length; i++)
        {
            string? reason = reasons[i] ?? WhyUnsuitable(rounded[i]);
            if (reason is null) Store(model, constants[i], rounded[i]!, number++, log);
            else Refuse(constants[i], reason, log);
        }
    }

    /// <summary>Weights first, then all other constants, each in graph order.</summary>
    private static IEnumerable<(Value Value, Tensor Tensor)> Constants(Model model)
    {
        var catalog = WeightCatalog.Of(model);
        return catalog.Weights.Select(w => (w.Value, w.Tensor)).Concat(catalog.Others.Select(o => (o.Value, o.Tensor)));
    }

    private static string? WhyUnsuitable(Float16Tensor? rounded)
    {
        if (rounded is null) return "it has NaN or infinite elements";
        if (rounded.Overflows > 0) return FormattableString.Invariant($"{rounded.Overflows} elements are beyond ±65504, the range of binary16");
        return rounded.Noise.SqnrDb < MinSqnrDb
            ? FormattableString.Invariant($"its elements are too small for binary16 ({rounded.Noise.SqnrDb:0.0} dB would be left, at least {MinSqnrDb} are asked for)")
            : null;
    }

    private void Store(Model model, (Value Value, Tensor Tensor) constant, Float16Tensor rounded, int number, PassLog log)
    {
        var record = Record(constant, log);
        Float16Storage.Write(model, constant.Value, rounded.Tensor, number);
        record.Bits = 16;
        record.CompressedBytes = rounded.Tensor.ByteLength;
        record.SqnrDb = double.IsFinite(rounded.Noise.SqnrDb) ? rounded.Noise.SqnrDb : null;
        record.Action = "stored as float16, folded";
        record.Reason = rounded.Underflows > 0 ? FormattableString.Invariant($"{rounded.Underflows} elements were raised to ±2^-24, the smallest of binary16") : "";
        log.Applied(Name, record.Weight, record.Action);
    }

    private void Refuse((Value Value, Tensor Tensor) constant, string reason, PassLog log)
    {
        if (constant.Value.Uses.Count == 0 || constant.Tensor.ByteLength < ReportedByteLength) return;
        var record = Record(constant, log);
        if (record.Action != "unchanged") return;
        record.Reason = reason;
        log.Refused(Name, record.Weight, reason);
    }

    private static LayerRecord Record((Value Value, Tensor Tensor) constant, PassLog log)
    {
        var node = constant.Value.Uses[0].Node;
        string name = constant.Value.Name;
        return log.Layer(constant.Value, () => new LayerRecord(node.DisplayName, node.OpType, name)
        {
            OriginalBytes = constant.Tensor.ByteLength,
            CompressedBytes = constant.Tensor.ByteLength,
            Bits = constant.Tensor.DataType.BitWidth(),
        });
    }
}
