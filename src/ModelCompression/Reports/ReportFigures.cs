using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Fidelity;

namespace ModelCompression.Reports;

/// <summary>Turns outcomes into the report's figures.</summary>
internal static class ReportFigures
{
    /// <summary>Decimals kept: enough to compare, few enough to be the same on CPUs whose last bits differ.</summary>
    private const int Digits = 6;

    public static LayerFigures Layer(LayerRecord layer) => new()
    {
        Node = layer.Node,
        OpType = layer.OpType,
        Weight = layer.Weight,
        OriginalBytes = layer.OriginalBytes,
        CompressedBytes = layer.CompressedBytes,
        Sparsity = Math.Round(layer.Sparsity, Digits),
        Bits = layer.Bits,
        SqnrDb = Finite(layer.SqnrDb),
        Action = layer.Action,
        Reason = layer.Reason,
    };

    public static FidelityFigures Fidelity(FidelityResult fidelity) => new()
    {
        Samples = fidelity.Samples,
        SqnrDb = Finite(fidelity.SqnrDb),
        Cosine = Math.Round(fidelity.Cosine!.Value, Digits),
        TopOneAgreement = Finite(fidelity.TopOneAgreement),
        Inputs = fidelity.Inputs switch { SampleOrigin.Validation => "validation", SampleOrigin.Calibration => "calibration", _ => "synthetic" },
    };

    /// <summary>Sparsity over the weights a pruning pass has touched.</summary>
    public static PruningFigures Pruning(CompressionOptions options, PassLog log)
    {
        var pruned = log.Layers.Where(l => l.Sparsity > 0).ToList();
        double elements = pruned.Sum(l => (double)l.OriginalBytes);
        double zeros = pruned.Sum(l => l.Sparsity * l.OriginalBytes);
        return options.Pruning == PruningCriterion.None
            ? new("None", "", 0)
            : new(options.Pruning.ToString(), options.PruningPattern.ToString(), elements == 0 ? 0 : Math.Round(zeros / elements, Digits));
    }

    public static int WeightBits(CompressionOptions options) => options.Quantization switch
    {
        QuantizationMode.None => 32,
        QuantizationMode.Float16 => 16,
        _ => options.WeightBits,
    };

    private static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? Math.Round(number, Digits) : null;
}
