namespace ModelCompression.Options;

/// <summary>
/// All settings of one model, or of one node after rules are applied (<see cref="CompressionSettings.For(ModelCompression.Onnx.Graph.Node)"/>). Immutable and valid by construction:
/// the option parser is the only maker of user settings. Names are those of the <c>CompressModel</c> metadata.
/// </summary>
public sealed record CompressionOptions
{
    /// <summary>Preset the rest started from.</summary>
    public Preset Preset { get; init; } = Preset.Balanced;

    /// <summary>Names inside the model.</summary>
    public InnerNames InnerNames { get; init; }

    /// <summary>Importance criterion.</summary>
    public PruningCriterion Pruning { get; init; }

    /// <summary>What is removed.</summary>
    public PruningPattern PruningPattern { get; init; }

    /// <summary>Fraction removed, 0 ≤ s &lt; 1, or null when not given.</summary>
    public double? Sparsity { get; init; }

    /// <summary>Ranking scope.</summary>
    public PruningScope PruningScope { get; init; }

    /// <summary>Kept channel counts are rounded up to this multiple.</summary>
    public int ChannelMultiple { get; init; } = 8;

    /// <summary>Refit after pruning; null = least squares when data is there.</summary>
    public Compensation? Compensation { get; init; }

    /// <summary>Largest absolute mean gradient of a removable unit, or null.</summary>
    public double? GradientMeanThreshold { get; init; }

    /// <summary>Largest standard deviation of the gradient of a removable unit, or null.</summary>
    public double? GradientStdThreshold { get; init; }

    /// <summary>Mini-batches for gradients and fine-tuning; absolute paths.</summary>
    public IReadOnlyList<string> TrainingData { get; init; } = [];

    /// <summary>Gradient samples per unit, or null for all batches.</summary>
    public int? GradientIterations { get; init; }

    /// <summary>Epochs of recovery training.</summary>
    public int FineTuneEpochs { get; init; }

    /// <summary>Learning rate of recovery training, or null for the method's default.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Loss of recovery training, or null for labels where there are labels, else distillation.</summary>
    public FineTuneLoss? FineTuneLoss { get; init; }

    /// <summary>Quantization scheme.</summary>
    public QuantizationMode Quantization { get; init; }

    /// <summary>Bits per weight, 2–8.</summary>
    public int WeightBits { get; init; } = 8;

    /// <summary>Bits per activation, 8 or 16.</summary>
    public int ActivationBits { get; init; } = 8;

    /// <summary>Integer mapping.</summary>
    public QuantizationScheme QuantizationScheme { get; init; }

    /// <summary>How many weights share a scale.</summary>
    public QuantizationGranularity QuantizationGranularity { get; init; }

    /// <summary>Block length, a power of two ≥ 16.</summary>
    public int BlockSize { get; init; } = 32;

    /// <summary>Form in the graph.</summary>
    public QuantizationFormat QuantizationFormat { get; init; }

    /// <summary>Storage of pruned weights.</summary>
    public SparseStorage SparseStorage { get; init; }

    /// <summary>Rounding of weights.</summary>
    public QuantizationAlgorithm QuantizationAlgorithm { get; init; }

    /// <summary>Calibration data; absolute paths.</summary>
    public IReadOnlyList<string> CalibrationData { get; init; } = [];

    /// <summary>Most samples used of it.</summary>
    public int CalibrationSamples { get; init; } = 300;

    /// <summary>Choice of activation ranges.</summary>
    public CalibrationMethod CalibrationMethod { get; init; }

    /// <summary>Percentile of <see cref="CalibrationMethod.Percentile"/>.</summary>
    public double CalibrationPercentile { get; init; } = 99.999;

    /// <summary>Rescaling before quantization.</summary>
    public Equalization Equalization { get; init; }

    /// <summary>Bias correction; null = when data is there.</summary>
    public bool? BiasCorrection { get; init; }

    /// <summary>CPU the result is for.</summary>
    public TargetCpu TargetCpu { get; init; }

    /// <summary>Operators to work on, <c>*</c> wildcards; empty = all.</summary>
    public IReadOnlyList<string> IncludeOpTypes { get; init; } = [];

    /// <summary>Operators to leave alone, <c>*</c> wildcards.</summary>
    public IReadOnlyList<string> ExcludeOpTypes { get; init; } = [];

    /// <summary>Node names to leave alone, <c>*</c> wildcards.</summary>
    public IReadOnlyList<string> ExcludeNodes { get; init; } = [];

    /// <summary>Validation data; absolute paths.</summary>
    public IReadOnlyList<string> ValidationData { get; init; } = [];

    /// <summary>Metric, or null for <see cref="Options.Metric.Top1"/> with labels, else <see cref="Options.Metric.Cosine"/>.</summary>
    public Metric? Metric { get; init; }

    /// <summary>The user's own program as the metric, or null.</summary>
    public string? MetricCommand { get; init; }

    /// <summary>Longest run of <see cref="MetricCommand"/> on one model, or null for ten minutes.</summary>
    public TimeSpan? MetricTimeLimit { get; init; }

    /// <summary>Gate: largest loss of the metric.</summary>
    public double? MaxMetricDrop { get; init; }

    /// <summary>Gate: smallest metric.</summary>
    public double? MinMetric { get; init; }

    /// <summary>Gate: largest file.</summary>
    public SizeLimit? MaxSize { get; init; }

    /// <summary>Gate: largest compressed/original latency.</summary>
    public double? MaxLatencyRatio { get; init; }

    /// <summary>What a failed gate does.</summary>
    public GateFailure OnFailure { get; init; }

    /// <summary>Fixed or searched.</summary>
    public CompressionStrategy Strategy { get; init; }

    /// <summary>What a search minimises.</summary>
    public SearchObjective Objective { get; init; }

    /// <summary>Trials of a search.</summary>
    public int SearchTrials { get; init; } = 24;

    /// <summary>Time limit of a search, or null.</summary>
    public TimeSpan? SearchTimeLimit { get; init; }

    /// <summary>Folds of cross-validation, or null.</summary>
    public int? CrossValidationFolds { get; init; }

    /// <summary>Everything random derives from it.</summary>
    public int Seed { get; init; }
}
