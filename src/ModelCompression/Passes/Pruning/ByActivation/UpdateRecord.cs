using ModelCompression.Analysis;
using ModelCompression.Numerics;
using ModelCompression.Onnx.Tensors;
using ModelCompression.Passes.Pruning.Refitting;

namespace ModelCompression.Passes.Pruning.ByActivation;

/// <summary>Reports what became of a weight.</summary>
internal static class UpdateRecord
{
    /// <summary>Records zeros and the distance from the weight before.</summary>
    public static void Add(PassLog log, string pass, WeightSite site, Tensor before, string action)
    {
        var record = PruningRecord.Of(log, site);
        if (!site.Value.TryGetConstant(out var now)) return;
        Measure(record, before, now);
        action = FormattableString.Invariant($"{action}, {100 * record.PrunedShare:0.0} % zeros");
        record.AddAction(action);
        log.Applied(pass, site.Node.DisplayName, action);
    }

    /// <summary>What a refit has achieved, to be put behind an action.</summary>
    public static string Describe(RefitRecord refit) =>
        FormattableString.Invariant($", refitted by least squares: error of its outputs {100 * refit.ErrorBefore:0.0} % -> {100 * refit.ErrorAfter:0.0} %");

    /// <summary>Fills in sparsity and SQNR.</summary>
    public static void Measure(LayerRecord record, Tensor before, Tensor now)
    {
        var (loss, kept, zeros) = Difference(before, now);
        new PruningMeasure(zeros, loss, kept).WriteTo(record, now.ElementCount);
    }

    /// <summary>Energies of a weight, of its change and of the result, and the zeros of the result.</summary>
    public static (QuantizationNoise Loss, double Kept, long Zeros) Difference(Tensor before, Tensor now)
    {
        var old = FloatElements.AsFloat(before).AsSpan<float>();
        var weights = FloatElements.AsFloat(now).AsSpan<float>();
        double signal = 0, noise = 0, kept = 0;
        long zeros = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] == 0) zeros++;
            signal += (double)old[i] * old[i];
            kept += (double)weights[i] * weights[i];
            noise += ((double)old[i] - weights[i]) * ((double)old[i] - weights[i]);
        }

        return (new(signal, noise), kept, zeros);
    }
}
