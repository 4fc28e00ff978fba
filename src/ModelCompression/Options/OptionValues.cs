namespace ModelCompression.Options;

/// <summary>Starting point of all settings.</summary>
public enum Preset
{
    /// <summary>Safe without any data.</summary>
    Balanced,

    /// <summary>Graph clean-up only.</summary>
    Lossless,

    /// <summary>Fewest bytes.</summary>
    Smallest,

    /// <summary>Lowest latency on the target CPU.</summary>
    Fastest,
}

/// <summary>Importance criterion of pruning.</summary>
public enum PruningCriterion
{
    /// <summary>No pruning.</summary>
    None,

    /// <summary>Absolute value of the weight.</summary>
    Magnitude,

    /// <summary>Absolute value times the norm of the input activation.</summary>
    Wanda,

    /// <summary>Second-order reconstruction, layer by layer.</summary>
    SparseGpt,

    /// <summary>First-order estimate of the loss change.</summary>
    Taylor,

    /// <summary>Mean and standard deviation of the gradient over mini-batches.</summary>
    GradientStability,
}

/// <summary>What pruning removes.</summary>
public enum PruningPatternKind
{
    /// <summary>Single weights.</summary>
    Unstructured,

    /// <summary>All but N of every M consecutive weights along the reduction axis.</summary>
    NOfM,

    /// <summary>Whole neurons, filters or heads with their edges.</summary>
    Channel,
}

/// <summary>A pruning pattern.</summary>
/// <param name="Kind">What is removed.</param>
/// <param name="N">Non-zeros kept in each run of <paramref name="M"/>; 0 unless <see cref="PruningPatternKind.NOfM"/>.</param>
/// <param name="M">Length of a run; 0 unless <see cref="PruningPatternKind.NOfM"/>.</param>
public readonly record struct PruningPattern(PruningPatternKind Kind, int N = 0, int M = 0)
{
    /// <inheritdoc/>
    public override string ToString() => Kind == PruningPatternKind.NOfM ? FormattableString.Invariant($"{N}:{M}") : Kind.ToString();
}

/// <summary>Where weights are ranked against each other.</summary>
public enum PruningScope
{
    /// <summary>Across the model.</summary>
    Global,

    /// <summary>Within each layer.</summary>
    Layer,
}

/// <summary>Refit of what is left after pruning.</summary>
public enum Compensation
{
    /// <summary>None.</summary>
    None,

    /// <summary>Ridge regression of the consumers on calibration activations.</summary>
    LeastSquares,
}

/// <summary>Loss of recovery training.</summary>
public enum FineTuneLoss
{
    /// <summary>Cross-entropy on labels.</summary>
    Labels,

    /// <summary>Distance to the original model's outputs.</summary>
    Distillation,
}

/// <summary>Quantization scheme.</summary>
public enum QuantizationMode
{
    /// <summary>No quantization.</summary>
    None,

    /// <summary>Weights as integers, activations in float.</summary>
    WeightOnly,

    /// <summary>Activation ranges found at run time.</summary>
    Dynamic,

    /// <summary>Activation ranges from calibration.</summary>
    Static,

    /// <summary>Weights and activations in binary16.</summary>
    Float16,
}

/// <summary>Mapping of weights to codes.</summary>
public enum QuantizationScheme
{
    /// <summary>Zero point 0.</summary>
    Symmetric,

    /// <summary>Scale and zero point.</summary>
    Asymmetric,

    /// <summary>Scales are powers of two.</summary>
    PowerOfTwo,

    /// <summary>k-means palette.</summary>
    Codebook,
}

/// <summary>How many weights share a scale.</summary>
public enum QuantizationGranularity
{
    /// <summary>One scale per output channel.</summary>
    Channel,

    /// <summary>One scale per tensor.</summary>
    Tensor,

    /// <summary>One scale per block along the reduction axis.</summary>
    Block,
}

/// <summary>How quantized weights are written into the graph.</summary>
public enum QuantizationFormat
{
    /// <summary>Per operator, whichever is smallest without being slower.</summary>
    Auto,

    /// <summary>QuantizeLinear / DequantizeLinear.</summary>
    Qdq,

    /// <summary>Integer operators (QLinearConv, …).</summary>
    QOperator,

    /// <summary>com.microsoft MatMulNBits.</summary>
    MatMulNBits,

    /// <summary>Packed weights that constant folding unpacks when a session is created.</summary>
    Folded,
}

/// <summary>What happens to names that only the inside of a model uses.</summary>
public enum InnerNames
{
    /// <summary>They are shortened where that saves 4 KB and about half a percent of the result, or 1 KB and half a percent of the original.</summary>
    Auto,

    /// <summary>They stay.</summary>
    Keep,
}

/// <summary>How weights with many zeros are stored.</summary>
public enum SparseStorage
{
    /// <summary>Whichever takes the fewest bytes.</summary>
    Auto,

    /// <summary>With their zeros.</summary>
    Dense,

    /// <summary>Non-zeros with the distances between them.</summary>
    Gaps,

    /// <summary>Non-zeros with one bit per position.</summary>
    Bitmask,
}

/// <summary>How weights are rounded.</summary>
public enum QuantizationAlgorithm
{
    /// <summary>To the nearest code, ties to even.</summary>
    RoundToNearest,

    /// <summary>Second-order, column by column.</summary>
    Gptq,

    /// <summary>Half-quadratic, data-free.</summary>
    Hqq,

    /// <summary>Learned rounding.</summary>
    AdaRound,
}

/// <summary>Choice of activation ranges.</summary>
public enum CalibrationMethod
{
    /// <summary>Smallest and largest value.</summary>
    MinMax,

    /// <summary>Least Kullback-Leibler divergence.</summary>
    Entropy,

    /// <summary>A percentile of the values.</summary>
    Percentile,

    /// <summary>Least mean squared error.</summary>
    Mse,
}

/// <summary>Rescaling across layers before quantization.</summary>
public enum Equalization
{
    /// <summary>None.</summary>
    None,

    /// <summary>Between consecutive layers.</summary>
    CrossLayer,

    /// <summary>From activations into weights.</summary>
    SmoothQuant,
}

/// <summary>CPU the result is for.</summary>
public enum TargetCpu
{
    /// <summary>Right on all of them.</summary>
    Any,

    /// <summary>The building machine's.</summary>
    Auto,

    /// <summary>x64 without VNNI.</summary>
    X64,

    /// <summary>x64 with VNNI.</summary>
    X64Vnni,

    /// <summary>Arm64.</summary>
    Arm64,
}

/// <summary>How a model is judged on labelled or reference data.</summary>
public enum Metric
{
    /// <summary>Share of samples whose label has the highest score.</summary>
    Top1,

    /// <summary>Share of samples whose label is among the five highest scores.</summary>
    Top5,

    /// <summary>Mean squared error.</summary>
    Mse,

    /// <summary>Mean absolute error.</summary>
    Mae,

    /// <summary>Cosine similarity.</summary>
    Cosine,

    /// <summary>Signal to quantization noise ratio in dB.</summary>
    Sqnr,
}

/// <summary>What a failed gate does.</summary>
public enum GateFailure
{
    /// <summary>Fails the build.</summary>
    Error,

    /// <summary>Warns and ships the compressed model.</summary>
    Warn,

    /// <summary>Warns and ships the original.</summary>
    KeepOriginal,
}

/// <summary>Whether settings are given or searched.</summary>
public enum CompressionStrategy
{
    /// <summary>As given.</summary>
    Fixed,

    /// <summary>Searched.</summary>
    Auto,
}

/// <summary>What a search minimises.</summary>
public enum SearchObjective
{
    /// <summary>Bytes.</summary>
    Size,

    /// <summary>Latency.</summary>
    Latency,
}

/// <summary>A size limit.</summary>
/// <param name="Bytes">Limit in bytes, or null.</param>
/// <param name="PercentOfOriginal">Limit relative to the original, or null.</param>
public readonly record struct SizeLimit(long? Bytes, double? PercentOfOriginal);
