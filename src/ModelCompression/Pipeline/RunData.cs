using ModelCompression.Analysis;
using ModelCompression.Data;
using ModelCompression.Gradients;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Onnx.Graph;
using ModelCompression.Options;
using ModelCompression.Reports;
using ModelCompression.Runtime;
using ModelCompression.Runtime.Calibration;
using ModelCompression.Runtime.Fidelity;
using ModelCompression.Runtime.Training;
using ModelCompression.Statistics;

namespace ModelCompression.Pipeline;

/// <summary>The data of one run, opened and checked before anything else happens.</summary>
internal sealed class RunData : IDisposable
{
    private readonly CompressionOptions options;
    private readonly DataSet? validation;
    private readonly DataSet? calibration;
    private readonly DataSet? training;
    private readonly SyntheticInputs? longer;
    private GradientRunner? gradients;

    private RunData(CompressionOptions options, DataSet? validation, DataSet? calibration, DataSet? training, Model model)
    {
        this.options = options;
        this.validation = validation;
        this.calibration = calibration;
        this.training = training;
        // Not those that outputs are compared on: the figure would flatter what was fitted to them.
        // And none where every run would tell something else, and make other bytes of it.
        longer = RandomOperators.FirstIn(model) is null ? SyntheticInputs.Longer(model, ~options.Seed) : null;
        FidelitySamples = validation is not null ? new DataSetSamples(validation, SampleOrigin.Validation)
            : calibration is not null ? new DataSetSamples(calibration, SampleOrigin.Calibration)
            : SyntheticInputs.For(model, options.Seed);
    }

    /// <summary>Validation data, or null.</summary>
    public DataSet? Validation => validation;

    /// <summary>What original and result are compared on: validation data, else calibration data, else synthetic inputs.</summary>
    public SampleSource FidelitySamples { get; }

    /// <summary>Statistics of the model's tensors over the calibration data, or null without such data.</summary>
    /// <param name="threads">Samples that run at the same time.</param>
    /// <param name="record">Takes what is measured, and has what an earlier run measured; or null.</param>
    /// <param name="cancellation">Stops collections between samples.</param>
    public IStatisticsSource? Statistics(int threads, MeasurementRecord? record, CancellationToken cancellation) =>
        calibration is null ? null : new Calibrator(new DataSetSamples(calibration, SampleOrigin.Calibration), options.CalibrationSamples, threads) { Record = record, Stopping = cancellation };

    /// <summary>Samples that tell the mean of layers' inputs: calibration data, else inputs made up from noise.</summary>
    /// <param name="threads">Samples that run at the same time.</param>
    /// <param name="record">Notes what was measured; or null.</param>
    /// <param name="cancellation">Stops collections between samples.</param>
    public IStatisticsSource Inputs(int threads, MeasurementRecord? record, CancellationToken cancellation) =>
        Statistics(threads, record, cancellation) ?? new SimulatedRuns(longer) { Record = record, Stopping = cancellation };

    /// <summary>Gradients of the model over the training data, or null without such data.</summary>
    /// <param name="originalPath">The original model, for distillation.</param>
    /// <param name="threads">Parts of a mini-batch that run at the same time.</param>
    /// <param name="record">As above.</param>
    public IGradientSource? Gradients(string originalPath, int threads, MeasurementRecord? record = null) =>
        training is null ? null : gradients ??= new GradientRunner(training, originalPath, threads) { Record = record };

    /// <summary>What was noticed in the samples read so far.</summary>
    public IEnumerable<Diagnostic> Warnings => new[] { validation, calibration, training }.SelectMany(d => d?.Warnings ?? []);

    /// <summary>Opens the data the options name.</summary>
    /// <exception cref="DiagnosticException">MCB3xxx: the data does not fit the model.</exception>
    public static RunData Open(CompressionOptions options, Model model)
    {
        var ports = ModelInterface.Of(model);
        var opened = new List<DataSet?>();
        try
        {
            foreach (var paths in new[] { options.ValidationData, options.CalibrationData, options.TrainingData })
                opened.Add(paths.Count > 0 ? DataSet.Open(paths, ports, needsLabels: paths != options.TrainingData || !DistillsOnly(options)) : null);
            CheckGate(options, opened[0]);
            return new RunData(options, opened[0], opened[1], opened[2], model);
        }
        catch
        {
            foreach (var data in opened) data?.Dispose();
            throw;
        }
    }

    /// <summary>True when the training data serves to imitate the original only.</summary>
    private static bool DistillsOnly(CompressionOptions options) =>
        options is { FineTuneLoss: FineTuneLoss.Distillation, FineTuneEpochs: > 0, Strategy: CompressionStrategy.Fixed } and not { Pruning: PruningCriterion.GradientStability or PruningCriterion.Taylor };

    /// <summary>Whatever the result, it loses infinitely many decibels against a model that is its own reference.</summary>
    private static void CheckGate(CompressionOptions options, DataSet? validation)
    {
        if (options is { MaxMetricDrop: { } limit, Metric: Options.Metric.Sqnr } && validation is { ExpectedOutputs.Count: 0 })
        {
            throw new DiagnosticException("MCB1004", FormattableString.Invariant(
                $"MaxMetricDrop={limit} can never be met with Metric=Sqnr on data without expected outputs (output:<name>): the ratio of the original to itself is infinite, and so is any drop. Set MinMetric to the decibels that must be left, for example MinMetric=\"30\"."));
        }
    }

    /// <summary>The task metric of both models, or null without validation data.</summary>
    public ValidationFigures? Evaluate(string originalPath, string compressedPath, int threads, Action<RunProgress>? progress, CancellationToken cancellation)
    {
        if (validation is null) return null;
        var result = Evaluator.Evaluate(originalPath, compressedPath, validation, options.Metric, threads, progress is null ? null : new FeedProgress(progress, validation.Count), cancellation);
        Confusion = ConfusionOf(result);
        return new() { Metric = result.Metric.ToString(), Samples = checked((int)result.Samples), Original = Finite(result.Original), Compressed = Finite(result.Compressed), Drop = Finite(result.Drop), LowerIsBetter = result.Metric is Metric.Mse or Metric.Mae, Passed = true };
    }

    /// <summary>Classes of the last evaluation with labels; null before, and without labels.</summary>
    public ConfusionFigures? Confusion { get; private set; }

    private static ConfusionFigures? ConfusionOf(Runtime.Evaluation.EvaluationResult result)
    {
        if (result.Predictions.Count == 0) return null;
        var cells = new SortedDictionary<(int Label, int Predicted), (int Original, int Compressed)>();
        foreach (var (label, original, compressed) in result.Predictions)
        {
            Count((int)label, original, 1, 0);
            Count((int)label, compressed, 0, 1);
        }

        return new(result.ClassCount, [.. cells.Select(c => new ConfusionCell(c.Key.Label, c.Key.Predicted, c.Value.Original, c.Value.Compressed))]);

        void Count(int label, int predicted, int original, int compressed)
        {
            var before = cells.GetValueOrDefault((label, predicted));
            cells[(label, predicted)] = (before.Original + original, before.Compressed + compressed);
        }
    }

    /// <summary>Tells of feeds that are done, on the thread that did them.</summary>
    private sealed class FeedProgress(Action<RunProgress> tell, int total) : IProgress<int>
    {
        public void Report(int value) => tell(new("evaluating", value, total));
    }

    private static double? Finite(double value) => double.IsFinite(value) ? value : null;

    /// <summary>The first sample that the original was run on, or null when it was not run.</summary>
    public Sample? FirstSample(FidelityCheck check) =>
        check.Original.Status == OriginalStatus.Ran && FidelitySamples.Count > 0 ? FidelitySamples.Read(check.Original.Attempt, 0) : null;

    /// <summary>Latency of both models on the first sample, or null when the original cannot be run.</summary>
    public LatencyFigures? MeasureLatency(string originalPath, string compressedPath, FidelityCheck check, CancellationToken cancellation)
    {
        if (check.Original.Interface is null || FidelitySamples.Count == 0) return null;
        var result = LatencyMeter.Measure(originalPath, compressedPath, FidelitySamples.Read(check.Original.Attempt, 0), null, cancellation);
        return new(Math.Round(result.OriginalMs, 4), Math.Round(result.CompressedMs, 4), Math.Round(result.Ratio, 4), result.Runs) { Spread = Math.Round((result.OriginalSpread + result.CompressedSpread) / 2, 4) };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        validation?.Dispose();
        calibration?.Dispose();
        gradients?.Dispose();
        training?.Dispose();
    }
}
