using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Options;
using ModelCompression.Runtime;

namespace ModelCompression.Pipeline.Search;

/// <summary>What a search has to keep to. Without a gate on the metric the smallest model would be a useless one, so there is a default.</summary>
/// <param name="Options">Options with all gates.</param>
/// <param name="Added">A default gate on validation data, as metadata that becomes part of what is chosen.</param>
/// <param name="Note">What was added, or null.</param>
internal sealed record SearchGoal(CompressionOptions Options, SortedDictionary<string, string> Added, Diagnostic? Note)
{
    /// <summary>Noise of a hundredth of the output's power: hardly any classifier or detector changes its mind. Synthetic inputs exercise a model less, so more is asked for.</summary>
    private const double LeastSqnrDb = 20;
    private const double LeastSyntheticSqnrDb = 25;

    /// <summary>Adds defaults.</summary>
    public static SearchGoal Of(CompressionOptions options, RunData data)
    {
        if (options.MetricCommand is not null && options.MaxMetricDrop is null && options.MinMetric is null)
            throw new DiagnosticException("MCB5023", "The search needs a limit for what MetricCommand prints: set MaxMetricDrop or MinMetric.");
        if (options.MaxMetricDrop is not null || options.MinMetric is not null) return new(options, new(StringComparer.Ordinal), null);
        if (data.Validation is not { } validation)
        {
            bool synthetic = data.FidelitySamples.Origin == SampleOrigin.Synthetic;
            double least = synthetic ? LeastSyntheticSqnrDb : LeastSqnrDb;
            string what = synthetic ? "made-up inputs, which say little about real ones" : "the calibration data";
            string announcement = FormattableString.Invariant($"The search keeps the outputs within {least} dB signal to noise of the original's on {what}. Give ValidationData and MaxMetricDrop to say what counts.");
            return new(options with { MinMetric = least, Metric = Metric.Sqnr }, new(StringComparer.Ordinal), synthetic ? Diagnostic.Warning("MCB5022", announcement) : Diagnostic.Note("MCB5022", announcement));
        }

        var metric = options.Metric ?? Evaluator.DefaultMetric(validation);
        var (name, limit) = metric switch
        {
            Metric.Top1 or Metric.Top5 or Metric.Cosine => ("MaxMetricDrop", 0.01),
            _ => ("MinMetric", metric == Metric.Sqnr ? LeastSqnrDb : double.NaN),
        };
        if (double.IsNaN(limit))
            throw new DiagnosticException("MCB5023", $"The search needs a limit for {metric}: set MaxMetricDrop or MinMetric. What is tolerable depends on the unit of the outputs.");
        string text = limit.ToString("R", System.Globalization.CultureInfo.InvariantCulture);
        var limited = name == "MinMetric" ? options with { MinMetric = limit } : options with { MaxMetricDrop = limit };
        return new(limited, new(StringComparer.Ordinal) { [name] = text }, Diagnostic.Note("MCB5022", $"No gate on {metric} is set; the search uses {name}={text}."));
    }
}
