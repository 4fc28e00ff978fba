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

    /// <summary>Points of a scatter plot: more only make the page heavy.</summary>
    private const int MostPoints = 3000;

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
        OutputsVary = fidelity.OutputsVary,
        Inputs = fidelity.Inputs switch { SampleOrigin.Validation => "validation", SampleOrigin.Calibration => "calibration", _ => "synthetic" },
    };

    /// <summary>Fraction removed of the weights that a criterion has pruned.</summary>
    public static PruningFigures Pruning(CompressionOptions options, PassLog log)
    {
        var pruned = log.Layers.Where(l => l.PrunedShare is not null).ToList();
        double elements = pruned.Sum(l => (double)l.OriginalBytes);
        double zeros = pruned.Sum(l => l.PrunedShare!.Value * l.OriginalBytes);
        return options.Pruning == PruningCriterion.None
            ? new("None", "", 0)
            : new(options.Pruning.ToString(), options.PruningPattern.ToString(), elements == 0 ? 0 : Math.Round(zeros / elements, Digits));
    }

    /// <summary>Bits of the stored codes, weights counted by the elements that they have left; null without weights.</summary>
    public static double? MeanBits(PassLog log)
    {
        double bytes = log.Layers.Sum(l => l.OriginalBytes * l.RemainingShare);
        return bytes > 0 ? Math.Round(log.Layers.Sum(l => l.Bits * l.OriginalBytes * l.RemainingShare) / bytes, 3) : null;
    }

    public static int WeightBits(CompressionOptions options) => options.Quantization switch
    {
        QuantizationMode.None => 32,
        QuantizationMode.Float16 => 16,
        _ => options.WeightBits,
    };

    /// <summary>Ranges from a record of <c>minimum maximum</c> by tensor, the widest first.</summary>
    public static IReadOnlyList<RangeFigures> Ranges(IReadOnlyDictionary<string, string> record)
    {
        var culture = System.Globalization.CultureInfo.InvariantCulture;
        return [.. record.Select(r => (r.Key, Ends: r.Value.Split(' '))).Select(r => new RangeFigures(r.Key, double.Parse(r.Ends[0], culture), double.Parse(r.Ends[1], culture)))
            .OrderByDescending(r => r.Maximum - r.Minimum).ThenBy(r => r.Tensor, StringComparer.Ordinal).Take(MostPoints / 50)];
    }

    /// <summary>Gradients of units, evenly thinned out; null when there are none.</summary>
    public static GradientFigures? Gradients(CompressionOptions options, PassLog log)
    {
        if (log.Gradients.Count == 0) return null;
        int step = (log.Gradients.Count + MostPoints - 1) / MostPoints;
        return new(options.GradientMeanThreshold, options.GradientStdThreshold,
            [.. log.Gradients.Where((_, i) => i % step == 0).Select(g => new GradientPoint(g.Name, Significant(g.Mean), Significant(g.Std), g.Removed))]);
    }

    /// <summary>Seven digits: all that binary32 has.</summary>
    private static double Significant(double value) => double.Parse(value.ToString("G7", System.Globalization.CultureInfo.InvariantCulture), System.Globalization.CultureInfo.InvariantCulture);

    private static double? Finite(double? value) => value is { } number && double.IsFinite(number) ? Math.Round(number, Digits) : null;
}
