using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;

namespace ModelCompression.Passes.Pruning.ByGradient;

/// <summary>What is said of thresholds that all gradients lie within, or none: where the gradients lie.</summary>
/// <param name="units">What the gradients belong to: <c>weight</c> or <c>channel</c>.</param>
/// <param name="options">The thresholds.</param>
/// <param name="gradients">Means and deviations to tell medians of.</param>
internal sealed class ThresholdOutcome(string units, CompressionOptions options, IReadOnlyList<UnitGradient> gradients)
{
    /// <summary>Nothing is removed.</summary>
    public Diagnostic Nothing() => Diagnostic.Warning("MCB4064",
        $"GradientStability removed nothing: no {units} has both a mean gradient within {Mean} and a standard deviation within {Deviation}. {Medians} Raise the thresholds towards that, or give Sparsity, which removes the share you ask for whatever the scale of the gradients.");

    /// <summary>Nothing would be left.</summary>
    public DiagnosticException Everything() => new("MCB4065",
        $"GradientStability would remove every {units}: all have a mean gradient within {Mean} and a standard deviation within {Deviation}. {Medians} Lower the thresholds below that, or give Sparsity, which removes the share you ask for. No file was written.");

    private string Mean => FormattableString.Invariant($"GradientMeanThreshold={options.GradientMeanThreshold:G4}");

    private string Deviation => FormattableString.Invariant($"GradientStdThreshold={options.GradientStdThreshold:G4}");

    private string Medians => FormattableString.Invariant($"Half of the {units}s have a mean of at most {Median(g => Math.Abs(g.Mean)):G3} (without sign), and half a deviation of at most {Median(g => g.Std):G3}.");

    private double Median(Func<UnitGradient, double> select)
    {
        double[] values = [.. gradients.Select(select).Order()];
        return values.Length == 0 ? 0 : values[values.Length / 2];
    }
}
