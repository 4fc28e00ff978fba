using ModelCompression.Gradients;
using ModelCompression.Onnx.Graph;
using ModelCompression.Onnx.Serialization;
using ModelCompression.Options;
using ModelCompression.Passes;
using ModelCompression.Passes.Conversion;
using ModelCompression.Passes.Float16;
using ModelCompression.Passes.Pruning;
using ModelCompression.Passes.Quantization;
using ModelCompression.Passes.Quantization.BiasCorrection;
using ModelCompression.Passes.Quantization.Dynamic;
using ModelCompression.Passes.Quantization.Equalization;
using ModelCompression.Passes.Quantization.Static;
using ModelCompression.Passes.Simplification;
using ModelCompression.Passes.Training;
using ModelCompression.Runtime;
using ModelCompression.Statistics;

namespace ModelCompression.Pipeline;

/// <summary>The passes of a run in their fixed order: clean up, prune, fine-tune, quantize or round to binary16, store what is left sparse.</summary>
internal static class PassPlan
{
    /// <summary>What tidies up behind all others.</summary>
    private static readonly IReadOnlyList<ModelPass> Closing = [new RemoveUnusedNodes(), new RemoveUnusedOpsetImports(), new JoinHalfConstants(), new RemoveDefaultAttributes(), new ShortenNames(), new StateShapes()];

    /// <summary>Runs them on <paramref name="model"/>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="settings">Settings.</param>
    /// <param name="statistics">Calibration data for the passes that use it, or null when there is none.</param>
    /// <param name="inputs">Samples that tell the mean of layers' inputs: calibration data, else inputs made up from noise.</param>
    /// <param name="gradients">Gradients over the training data, or null when there is none.</param>
    /// <param name="log">Takes what was done.</param>
    /// <param name="counter">Counts the parameters before they are turned into codes.</param>
    /// <param name="texts">What the result will say of its settings.</param>
    /// <param name="cancellation">Stops between passes, and long ones inside.</param>
    public static void Run(Model model, CompressionSettings settings, IStatisticsSource? statistics, IStatisticsSource? inputs, IGradientSource? gradients, PassLog log, ModelCounter counter, IReadOnlyDictionary<string, string> texts, CancellationToken cancellation)
    {
        var overridable = OverridableWeights.Of(model);
        var widened = CleanUp(model, settings, log);
        bool remembered = false;
        var record = statistics?.Record ?? gradients?.Record;
        foreach (var pass in Weights(settings, statistics, inputs, gradients, widened, m => FinishedByteLength(m, settings, widened, texts), log, cancellation))
        {
            cancellation.ThrowIfCancellationRequested();
            if (!remembered && pass is (QuantizeStatically or QuantizeDynamically or QuantizeWeights or ConvertToFloat16 or PackSparseWeights))
            {
                counter.Remember(model);
                remembered = true;
            }

            if (record is null) pass.Run(model, settings, log);
            else new StepOutcomes(record, model).Watch(pass, () => pass.Run(model, settings, log));
        }

        if (!remembered) counter.Remember(model);
        // The graph was verified behind the last pass, and is again behind each of these that edits it.
        new NarrowStoredWeights(widened).RunOnVerified(model, settings, log);
        foreach (var pass in Closing) pass.RunOnVerified(model, settings, log);
        overridable.ReportMissing(model, log);
    }

    /// <summary>Bytes of a result as it will be written. The model is edited, and of no other use.</summary>
    private static long FinishedByteLength(Model model, CompressionSettings settings, WidenStoredWeights widened, IReadOnlyDictionary<string, string> texts)
    {
        new NarrowStoredWeights(widened).RunForSize(model, settings);
        foreach (var pass in Closing) pass.RunForSize(model, settings);
        Provenance.StampForSize(model, texts);
        return OnnxWriter.ByteLengthOf(model);
    }

    /// <summary>What comes before all passes that change weights.</summary>
    internal static WidenStoredWeights CleanUp(Model model, CompressionSettings settings, PassLog log)
    {
        var widened = new WidenStoredWeights();
        if (AnyOptions(settings, o => o.Pruning != PruningCriterion.None || o.Quantization != QuantizationMode.None || o.FineTuneEpochs > 0))
        {
            new RaiseIrVersion().RunOnVerified(model, settings, log);
            widened.RunOnVerified(model, settings, log);
        }

        new SimplificationPipeline(new OrtConstantEvaluator()).Run(model, settings, log);
        return widened;
    }

    private static IEnumerable<ModelPass> Weights(CompressionSettings settings, IStatisticsSource? statistics, IStatisticsSource? inputs, IGradientSource? gradients, WidenStoredWeights widened, Func<Model, long> finished, PassLog log, CancellationToken cancellation)
    {
        foreach (var pass in PruningPasses.Of(asks => AnyOptions(settings, asks), statistics, gradients, log, cancellation)) yield return pass;
        if (settings.Model.FineTuneEpochs > 0) yield return new FineTuneWeights(gradients!, cancellation);
        if (AnyOptions(settings, o => o.Equalization == Equalization.CrossLayer)) yield return new EqualizeLayers();
        if (statistics is not null && AnyOptions(settings, o => o.Equalization == Equalization.SmoothQuant)) yield return new SmoothActivations(statistics);
        var decisions = new StaticDecisions();
        var weights = new RehearsedWeights();
        bool corrects = AnyOptions(settings, o => o.BiasCorrection != false && o.Quantization is (QuantizationMode.WeightOnly or QuantizationMode.Dynamic or QuantizationMode.Static));
        if (statistics is not null && corrects) yield return new CorrectBiases(statistics, () => Quantizers(settings, statistics, decisions, weights, inputs, rehearses: true, finished, cancellation), decisions.HasCorrected);
        foreach (var pass in Quantizers(settings, statistics, decisions, weights, inputs, finished: finished, cancellation: cancellation)) yield return pass;
        if (AnyOptions(settings, o => o.Quantization == QuantizationMode.Float16)) yield return new ConvertToFloat16();
        if (AnyOptions(settings, o => o.Pruning != PruningCriterion.None && o.PruningPattern.Kind != PruningPatternKind.Channel)) yield return new PackSparseWeights(widened);
    }

    /// <summary>The passes that turn weights and activations into integers.</summary>
    internal static IEnumerable<ModelPass> Quantizers(CompressionSettings settings, IStatisticsSource? statistics, StaticDecisions? decisions = null, RehearsedWeights? weights = null, IStatisticsSource? inputs = null, bool rehearses = false, Func<Model, long>? finished = null, CancellationToken cancellation = default)
    {
        QuantizeStatically? statically = null;
        if (statistics is not null && AnyOptions(settings, o => o.Quantization == QuantizationMode.Static))
        {
            yield return new RaiseOpset();
            yield return statically = new QuantizeStatically(statistics, decisions, rehearses);
        }

        if (AnyOptions(settings, o => o.Quantization == QuantizationMode.Dynamic)) yield return new QuantizeDynamically();
        if (AnyOptions(settings, o => o.Quantization is QuantizationMode.WeightOnly or QuantizationMode.Dynamic or QuantizationMode.Static)) yield return new QuantizeWeights(statistics, () => statically?.SavedByteLength ?? 0, inputs, weights, rehearses, finished, cancellation);
    }

    /// <summary>True if the model's options or those of a rule ask for something.</summary>
    private static bool AnyOptions(CompressionSettings settings, Func<CompressionOptions, bool> asks) =>
        asks(settings.Model) || settings.Rules.Any(r => asks(r.Apply(settings.Model)));
}
