using ModelCompression.Numerics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Sensitivity;

/// <summary>What a model returns for a few calibration samples, and how far an edited copy is from it.</summary>
public sealed class OutputReference
{
    /// <summary>Keeps the order of additions from deciding.</summary>
    private const double Beyond = 1 + 1e-9;

    private readonly (int Output, CaptureStatistic Captured)[] wanted;
    private readonly IStatisticsSource source;
    private readonly Lazy<double[][]> energies;

    private OutputReference((int Output, CaptureStatistic Captured)[] wanted, IStatisticsSource source)
    {
        this.wanted = wanted;
        this.source = source;
        energies = new(() => [.. Outputs.Select(o => o.Captured.Samples.Select(r => ErrorSums.Of(r, r).Signal).ToArray())]);
    }

    /// <summary>Number of samples compared; 0 when no output is a floating point tensor.</summary>
    public int SampleCount => wanted.Select(o => o.Captured.Samples.Count).FirstOrDefault(c => c > 0);

    /// <summary>True if probabilities of classes are among what is compared.</summary>
    public bool HasScores { get; private init; }

    private (int Output, CaptureStatistic Captured)[] Outputs => [.. wanted.Where(o => o.Captured.Samples.Count > 0)];

    /// <summary>Asks for the floating point outputs of a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="plan">What is collected anyway; the reference can be used when it is filled.</param>
    /// <param name="source">Collects it, and what is compared later.</param>
    /// <param name="samples">Samples to keep and compare, the first ones.</param>
    public static OutputReference Of(Model model, StatisticsPlan plan, IStatisticsSource source, int samples)
    {
        var wanted = model.Graph.Outputs.Select((value, i) => (i, plan.Need(value, "capture", () => new CaptureStatistic(samples)))).ToArray();
        return new OutputReference(wanted, source) { HasScores = model.Graph.Outputs.Any(o => o.Producer is { } producer && (producer.Is("Softmax") || producer.Is("LogSoftmax"))) };
    }

    /// <summary>
    /// Noise-to-signal ratios of edits of the model: the mean over its floating point outputs of Σ(r − x)²/Σr². Infinite when an output has another shape or is not finite. An edit whose noise is
    /// more than <paramref name="most"/> allows for all samples is not run on those that are left.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="edits">What each edit changes, and how to make a copy with it; several may be made at the same time.</param>
    /// <param name="limit">Compares only the first so many samples.</param>
    /// <param name="most">The ratio that matters: what is above it need not be told exactly.</param>
    /// <param name="cancellation">Stops between samples.</param>
    public double[] NoiseToSignal(Model model, IReadOnlyList<(IReadOnlyList<Value> Changed, Func<ModelCopy> Make)> edits, int limit, double most, CancellationToken cancellation = default)
    {
        int count = Math.Min(SampleCount, limit);
        if (count == 0) return new double[edits.Count];
        var errors = new ErrorStatistic[edits.Count][];
        source.CollectFromEdits(model, [.. edits.Select((e, i) => new ModelEdit(e.Changed, () => Make(i)))], count, cancellation);
        return Array.ConvertAll(errors, NoiseToSignal);

        (ModelCopy Copy, StatisticsPlan Plan) Make(int index)
        {
            var copy = edits[index].Make();
            return (copy, Plan(copy.Model, count, most, out errors[index]));
        }
    }

    /// <summary>
    /// True if the noise-to-signal ratio over all samples is at most <paramref name="most"/>. A model that has more noise on the first few than all samples together may have is not run on the others.
    /// </summary>
    /// <param name="model">The edited copy.</param>
    /// <param name="most">The limit.</param>
    /// <param name="cancellation">Stops between samples.</param>
    public bool IsWithin(Model model, double most, CancellationToken cancellation = default)
    {
        if (SampleCount == 0) return true;
        source.Collect(model, Plan(model, SampleCount, most, out var errors), cancellation);
        return NoiseToSignal(errors) <= most;
    }

    private StatisticsPlan Plan(Model edited, int samples, double most, out ErrorStatistic[] errors)
    {
        ErrorStatistic[] found = [];
        var plan = new StatisticsPlan { SampleLimit = samples, IsEnough = () => IsMore(found, samples, most) };
        errors = found = [.. Outputs.Select(o => plan.Need(edited.Graph.Outputs[o.Output], "error", () => new ErrorStatistic(o.Captured)))];
        return plan;
    }

    /// <summary>True if what has been seen has more noise than so many samples may have.</summary>
    private bool IsMore(ErrorStatistic[] errors, int samples, double most) => errors.Zip(energies.Value, (e, ofSamples) => e.Noise / ofSamples.Take(samples).Sum()).Average() > Beyond * most;

    private static double NoiseToSignal(ErrorStatistic[] errors) => errors.Average(e => e.NoiseToSignal);

    /// <summary>−10·log10 of a noise-to-signal ratio: dB.</summary>
    public static double Decibels(double noiseToSignal) => -10 * Math.Log10(noiseToSignal);
}
