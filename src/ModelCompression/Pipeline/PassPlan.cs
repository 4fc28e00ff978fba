using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Pruning;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Simplification;
using ModelCompression.Runtime;

namespace ModelCompression.Pipeline;

/// <summary>The passes of a run in their fixed order: clean up, prune, quantize or round to binary16, store what is left sparse.</summary>
internal static class PassPlan
{
    /// <summary>Runs them on <paramref name="model"/>.</summary>
    public static void Run(Model model, CompressionSettings settings, PassLog log, ModelCounter counter, CancellationToken cancellation)
    {
        new SimplificationPipeline(new OrtConstantEvaluator()).Run(model, settings, log);
        bool remembered = false;
        foreach (var pass in Weights(settings))
        {
            cancellation.ThrowIfCancellationRequested();
            if (!remembered && pass is (QuantizeWeights or ConvertToFloat16))
            {
                counter.Remember(model);
                remembered = true;
            }

            pass.Run(model, settings, log);
        }

        if (!remembered) counter.Remember(model);
        new RemoveUnusedNodes().Run(model, settings, log);
        new RemoveUnusedOpsetImports().Run(model, settings, log);
    }

    private static IEnumerable<ModelPass> Weights(CompressionSettings settings)
    {
        bool prunes = AnyOptions(settings, o => o.Pruning == PruningCriterion.Magnitude);
        if (prunes) yield return new PruneByMagnitude();
        if (AnyOptions(settings, o => o.Quantization == QuantizationMode.WeightOnly)) yield return new QuantizeWeights();
        if (AnyOptions(settings, o => o.Quantization == QuantizationMode.Float16)) yield return new ConvertToFloat16();
        if (prunes) yield return new PackSparseWeights();
    }

    /// <summary>True if the model's options or those of a rule ask for something.</summary>
    private static bool AnyOptions(CompressionSettings settings, Func<CompressionOptions, bool> asks) =>
        asks(settings.Model) || settings.Rules.Any(r => asks(r.Apply(settings.Model)));
}
