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
        action = FormattableString.Invariant($"{action}, {100 * record.Sparsity:0.0} % zeros");
        record.AddAction(action);
        log.Applied(pass, site.Node.DisplayName, action);
    }

    /// <summary>What a refit has achieved, to be put behind an action.</summary>
    public static string Describe(RefitRecord refit) =>
        FormattableString.Invariant($", refitted by least squares: error of its outputs {100 * refit.ErrorBefore:0.0} % -> {100 * refit.ErrorAfter:0.0} %");

    /// <summary>Fills in sparsity and SQNR.</summary>
    public static void Measure(LayerRecord record, Tensor before, Tensor now)
    {
        var old = FloatElements.AsFloat(before).AsSpan<float>();
        var weights = FloatElements.AsFloat(now).AsSpan<float>();
        double signal = 0, noise = 0;
        long zeros = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] == 0) zeros++;
            signal += (double)old[i] * old[i];
            noise += ((double)old[i] - weights[i]) * ((double)old[i] - weights[i]);
        }

        record.Sparsity = zeros / (double)Math.Max(1, weights.Length);
        record.SqnrDb = noise > 0 && signal > 0 && double.IsFinite(signal) ? 10 * Math.Log10(signal / noise) : null;
    }
}
