using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Sensitivity;

/// <summary>What a model returns for a few calibration samples, and how far an edited copy is from it.</summary>
public sealed class OutputReference
{
    private readonly List<(int Output, CaptureStatistic Captured)> outputs = [];
    private readonly IStatisticsSource source;
    private readonly int samples;

    private OutputReference(IStatisticsSource source, int samples)
    {
        this.source = source;
        this.samples = samples;
    }

    /// <summary>Number of samples compared; 0 when no output is a floating point tensor.</summary>
    public int SampleCount => outputs.Count == 0 ? 0 : outputs[0].Captured.SampleCount;

    /// <summary>True if probabilities of classes are among what is compared.</summary>
    public bool HasScores { get; private init; }

    /// <summary>Runs a model over the first calibration samples and keeps its floating point outputs.</summary>
    public static OutputReference Of(Model model, IStatisticsSource source, int samples, CancellationToken cancellation = default)
    {
        var reference = new OutputReference(source, samples) { HasScores = model.Graph.Outputs.Any(o => o.Producer is { } producer && (producer.Is("Softmax") || producer.Is("LogSoftmax"))) };
        var plan = new StatisticsPlan { SampleLimit = samples };
        var all = model.Graph.Outputs.Select((value, i) => (Index: i, Captured: plan.Need(value, "capture", () => new CaptureStatistic()))).ToArray();
        source.Collect(model, plan, cancellation);
        reference.outputs.AddRange(all.Where(o => o.Captured.SampleCount > 0).Select(o => (o.Index, o.Captured)));
        return reference;
    }

    /// <summary>
    /// Noise-to-signal ratio of a model with the same outputs: the mean over its floating point outputs of Σ(r − x)²/Σr². Infinite when an output has another shape or is not finite.
    /// </summary>
    /// <param name="model">The edited copy.</param>
    /// <param name="limit">Compares only the first so many samples; null for all.</param>
    /// <param name="cancellation">Stops between samples.</param>
    public double NoiseToSignal(Model model, int? limit = null, CancellationToken cancellation = default)
    {
        if (outputs.Count == 0) return 0;
        var plan = new StatisticsPlan { SampleLimit = Math.Min(samples, limit ?? samples) };
        var errors = outputs.ConvertAll(o => plan.Need(model.Graph.Outputs[o.Output], "error", () => new ErrorStatistic(o.Captured)));
        source.Collect(model, plan, cancellation);
        return errors.Average(e => e.NoiseToSignal);
    }

    /// <summary>−10·log10 of a noise-to-signal ratio: dB.</summary>
    public static double Decibels(double noiseToSignal) => -10 * Math.Log10(noiseToSignal);
}
