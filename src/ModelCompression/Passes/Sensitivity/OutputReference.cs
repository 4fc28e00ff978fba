using ModelCompression.Onnx.Graph;
using ModelCompression.Statistics;

namespace ModelCompression.Passes.Sensitivity;

/// <summary>What a model returns for a few calibration samples, and how far an edited copy is from it.</summary>
public sealed class OutputReference
{
    private const int FirstSamples = 4;

    /// <summary>How many times the noise that is allowed, 6 dB, a few samples must have for others not to matter.</summary>
    private const double FarOff = 4;

    private readonly (int Output, CaptureStatistic Captured)[] wanted;
    private readonly IStatisticsSource source;

    private OutputReference((int Output, CaptureStatistic Captured)[] wanted, IStatisticsSource source)
    {
        this.wanted = wanted;
        this.source = source;
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
    /// Noise-to-signal ratios of edits of the model: the mean over its floating point outputs of Σ(r − x)²/Σr². Infinite when an output has another shape or is not finite.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="edits">What each edit changes, and how to make a copy with it; several may be made at the same time.</param>
    /// <param name="limit">Compares only the first so many samples.</param>
    /// <param name="cancellation">Stops between samples.</param>
    public double[] NoiseToSignal(Model model, IReadOnlyList<(IReadOnlyList<Value> Changed, Func<ModelCopy> Make)> edits, int limit, CancellationToken cancellation = default)
    {
        int count = Math.Min(SampleCount, limit);
        if (count == 0) return new double[edits.Count];
        var errors = new ErrorStatistic[edits.Count][];
        source.CollectFromEdits(model, [.. edits.Select((e, i) => new ModelEdit(e.Changed, () => Make(i)))], count, cancellation);
        return Array.ConvertAll(errors, NoiseToSignal);

        (ModelCopy Copy, StatisticsPlan Plan) Make(int index)
        {
            var copy = edits[index].Make();
            var plan = new StatisticsPlan { SampleLimit = count };
            errors[index] = Need(plan, copy.Model);
            return (copy, plan);
        }
    }

    /// <summary>True if the noise-to-signal ratio over all samples is at most <paramref name="most"/>. A model that is far from that on the first few is not run on the others.</summary>
    /// <param name="model">The edited copy.</param>
    /// <param name="most">The limit.</param>
    /// <param name="cancellation">Stops between samples.</param>
    public bool IsWithin(Model model, double most, CancellationToken cancellation = default)
    {
        if (SampleCount == 0) return true;
        double noise = 0;
        source.CollectInTurn(model, [.. Outputs.Select(o => model.Graph.Outputs[o.Output])], Plans(), cancellation);
        return noise <= most;

        IEnumerable<StatisticsPlan> Plans()
        {
            for (int count = Math.Min(FirstSamples, SampleCount); ; count = SampleCount)
            {
                var plan = new StatisticsPlan { SampleLimit = count };
                var errors = Need(plan, model);
                yield return plan;
                noise = NoiseToSignal(errors);
                if (count == SampleCount || noise > FarOff * most) yield break;
            }
        }
    }

    private ErrorStatistic[] Need(StatisticsPlan plan, Model edited) => [.. Outputs.Select(o => plan.Need(edited.Graph.Outputs[o.Output], "error", () => new ErrorStatistic(o.Captured)))];

    private static double NoiseToSignal(ErrorStatistic[] errors) => errors.Average(e => e.NoiseToSignal);

    /// <summary>−10·log10 of a noise-to-signal ratio: dB.</summary>
    public static double Decibels(double noiseToSignal) => -10 * Math.Log10(noiseToSignal);
}
