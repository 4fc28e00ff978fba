using System.Text.Json.Serialization;

namespace ModelCompression.Reports;

/// <summary>The JSON report, schema version 1 (docs/report.md). Everything but <see cref="Latency"/> is the same from run to run.</summary>
public sealed record CompressionReport
{
    /// <summary>Version of this schema.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The model as the project names it, with forward slashes.</summary>
    public required string Model { get; init; }

    /// <summary>Version of the tool that made the result.</summary>
    public required string ToolVersion { get; init; }

    /// <summary><c>compressed</c>, or <c>original</c> when the source is shipped as it is.</summary>
    public required string Status { get; init; }

    /// <summary>Why the original is shipped; null when compressed.</summary>
    public string? StatusReason { get; init; }

    /// <summary>The source.</summary>
    public required ModelFigures Original { get; init; }

    /// <summary>The result.</summary>
    public required ModelFigures Compressed { get; init; }

    /// <summary>Effective settings by metadata name, canonical texts.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary>What was pruned.</summary>
    public required PruningFigures Pruning { get; init; }

    /// <summary>How weights were quantized.</summary>
    public required QuantizationFigures Quantization { get; init; }

    /// <summary>Distance of the outputs from the original's; null when the model could not be run.</summary>
    public FidelityFigures? Fidelity { get; init; }

    /// <summary>Why <see cref="Fidelity"/> is missing or says less than it seems to; null otherwise.</summary>
    public string? FidelityReason { get; init; }

    /// <summary>True when <see cref="Fidelity"/> is of samples that weights were fitted to.</summary>
    [JsonIgnore]
    public bool IsFidelityFitted { get; init; }

    /// <summary>Task metric; null without validation data.</summary>
    public ValidationFigures? Validation { get; init; }

    /// <summary>Latency; null when not asked for.</summary>
    public LatencyFigures? Latency { get; init; }

    /// <summary>Candidates that <c>Strategy=Auto</c> tried, in order; null otherwise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<TrialFigures>? Trials { get; init; }

    /// <summary>What only the HTML report shows; null unless that is asked for.</summary>
    [JsonIgnore]
    public ReportDetails? Details { get; init; }

    /// <summary>One entry per weight.</summary>
    public required IReadOnlyList<LayerFigures> Layers { get; init; }

    /// <summary>Gates in the order of docs/options.md.</summary>
    public required IReadOnlyList<GateFigures> Gates { get; init; }

    /// <summary>Graph edits and refusals.</summary>
    public required IReadOnlyList<EditFigures> Edits { get; init; }

    /// <summary>The search; null with <c>Strategy=Fixed</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SearchFigures? Search { get; init; }
}

/// <summary>Size figures of one model.</summary>
public sealed record ModelFigures
{
    /// <summary>Bytes of the file and its external data.</summary>
    public long Bytes { get; init; }

    /// <summary>SHA-256 of the model file, lower-case hex.</summary>
    public string Sha256 { get; init; } = "";

    /// <summary>Weights the model computes with.</summary>
    public long Parameters { get; init; }

    /// <summary>Those that are not zero.</summary>
    public long NonZeroParameters { get; init; }

    /// <summary>Multiply-accumulate operations of one run: batch 1 or the batch that the model fixes, other open sizes as in the first sample.</summary>
    public long Macs { get; init; }

    /// <summary>Bytes after gzip; only for the compressed model.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? GzipBytes { get; init; }
}

/// <summary>What was pruned.</summary>
/// <param name="Criterion">Importance criterion.</param>
/// <param name="Pattern">Pattern.</param>
/// <param name="Sparsity">Fraction of zeros among the weights in scope.</param>
public sealed record PruningFigures(string Criterion, string Pattern, double Sparsity);

/// <summary>How weights were quantized.</summary>
/// <param name="Scheme">Value of <c>Quantization</c>.</param>
/// <param name="WeightBits">Value of <c>WeightBits</c>; weights may take fewer or more where the format is <c>Auto</c>.</param>
public sealed record QuantizationFigures(string Scheme, int WeightBits)
{
    /// <summary>Mean bits of the stored codes over all weights of <see cref="CompressionReport.Layers"/>, by their size.</summary>
    public double? MeanBits { get; init; }
}

/// <summary>Distance of the outputs from the original's.</summary>
public sealed record FidelityFigures
{
    /// <summary>Samples compared.</summary>
    public int Samples { get; init; }

    /// <summary>20·log10(‖y‖/‖y−ŷ‖) over all float outputs; null when the outputs are equal.</summary>
    public double? SqnrDb { get; init; }

    /// <summary>Cosine similarity.</summary>
    public double Cosine { get; init; }

    /// <summary>Share of rows with the same highest score; null when no output has rows of scores.</summary>
    public double? TopOneAgreement { get; init; }

    /// <summary>False when the original's outputs have one value nearly everywhere on these samples (a saturated score): then the figures say nothing about accuracy.</summary>
    public bool OutputsVary { get; init; } = true;

    /// <summary><c>validation</c>, <c>calibration</c> or <c>synthetic</c>.</summary>
    public required string Inputs { get; init; }
}

/// <summary>Task metric.</summary>
public sealed record ValidationFigures
{
    /// <summary>Metric name.</summary>
    public required string Metric { get; init; }

    /// <summary>Samples judged.</summary>
    public int Samples { get; init; }

    /// <summary>Of the original; null when infinite, as the signal to noise ratio of a model to itself is.</summary>
    public double? Original { get; init; }

    /// <summary>Of the result; null when infinite.</summary>
    public double? Compressed { get; init; }

    /// <summary>Loss: positive is worse, whatever the metric's direction; null when infinite.</summary>
    public double? Drop { get; init; }

    /// <summary>True for metrics of which less is better.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool LowerIsBetter { get; init; }

    /// <summary>True if every gate on the metric is passed.</summary>
    public bool Passed { get; init; }
}

/// <summary>Latency of one run with batch 1; the only figures that vary.</summary>
/// <param name="OriginalMs">Median of the original, milliseconds.</param>
/// <param name="CompressedMs">Median of the result, milliseconds.</param>
/// <param name="Ratio">Median ratio of interleaved pairs.</param>
/// <param name="Runs">Pairs measured.</param>
public sealed record LatencyFigures(double OriginalMs, double CompressedMs, double Ratio, int Runs)
{
    /// <summary>How far single runs scatter: mean of both models' interquartile ranges relative to their medians.</summary>
    public double Spread { get; init; }
}

/// <summary>One weight.</summary>
public sealed record LayerFigures
{
    /// <summary>First consumer.</summary>
    public required string Node { get; init; }

    /// <summary>Its operator.</summary>
    public required string OpType { get; init; }

    /// <summary>Name of the weight.</summary>
    public required string Weight { get; init; }

    /// <summary>Bytes before.</summary>
    public long OriginalBytes { get; init; }

    /// <summary>Bytes after.</summary>
    public long CompressedBytes { get; init; }

    /// <summary>Fraction of zeros after.</summary>
    public double Sparsity { get; init; }

    /// <summary>Bits per stored code.</summary>
    public int Bits { get; init; }

    /// <summary>Signal to noise of the weight; null when unchanged.</summary>
    public double? SqnrDb { get; init; }

    /// <summary>What was done.</summary>
    public required string Action { get; init; }

    /// <summary>Why, or why not.</summary>
    public required string Reason { get; init; }
}

/// <summary>One gate.</summary>
/// <param name="Name">Metadata name.</param>
/// <param name="Limit">The limit.</param>
/// <param name="Actual">What was reached; null when infinite.</param>
/// <param name="Passed">True if within the limit.</param>
public sealed record GateFigures(string Name, double Limit, double? Actual, bool Passed)
{
    /// <summary>A figure of this gate for people: sizes with their unit.</summary>
    internal string Show(double? figure) => figure is not { } number ? "∞"
        : Name == "MaxSize" ? SummaryLine.Size((long)number)
        : SummaryLine.Decimals(number, "0.######");
}

/// <summary>One candidate of a search.</summary>
public sealed record TrialFigures
{
    /// <summary>Number, from 1.</summary>
    public int Number { get; init; }

    /// <summary>A few words on what was tried.</summary>
    public required string Name { get; init; }

    /// <summary>What was tried, as metadata that can be pasted into a project.</summary>
    public required string Settings { get; init; }

    /// <summary>Bytes of the result; 0 when there is none.</summary>
    public long Bytes { get; init; }

    /// <summary>The metric of <see cref="CompressionReport.Validation"/>; null when infinite or not measured.</summary>
    public double? Metric { get; init; }

    /// <summary>Signal to noise of the outputs against the original's, dB; null when infinite or there is no result.</summary>
    public double? SqnrDb { get; init; }

    /// <summary>Compressed/original latency; null when not measured.</summary>
    public double? LatencyRatio { get; init; }

    /// <summary>True if every gate is passed.</summary>
    public bool Passed { get; init; }

    /// <summary>True for the one that is shipped.</summary>
    public bool Chosen { get; init; }

    /// <summary>Which gate stops it, or why there is no result; empty otherwise.</summary>
    public string Problem { get; init; } = "";
}

/// <summary>One graph edit or refusal.</summary>
/// <param name="Pass">Pass.</param>
/// <param name="Target">Node or value.</param>
/// <param name="Applied">False for a refusal.</param>
/// <param name="Reason">Why.</param>
public sealed record EditFigures(string Pass, string Target, bool Applied, string Reason);
