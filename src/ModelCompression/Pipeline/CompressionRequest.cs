using ModelCompression.Options;

namespace ModelCompression.Pipeline;

/// <summary>One model to compress.</summary>
public sealed record CompressionRequest
{
    /// <summary>Full path of the source model; never written to.</summary>
    public required string SourcePath { get; init; }

    /// <summary>What reports and messages call the model: its project-relative path with forward slashes.</summary>
    public required string Identity { get; init; }

    /// <summary>Full path of the result.</summary>
    public required string OutputPath { get; init; }

    /// <summary>The item's metadata; data paths are absolute.</summary>
    public required SettingsSource Item { get; init; }

    /// <summary>Data paths as the user wrote them, by metadata name, for reports; absolute ones never reach an output.</summary>
    public IReadOnlyDictionary<string, string> WrittenPaths { get; init; } = new Dictionary<string, string>();

    /// <summary>Rules that apply to this model, in order.</summary>
    public IReadOnlyList<SettingsSource> Rules { get; init; } = [];

    /// <summary>Report formats: <c>Json</c>, <c>Html</c>, <c>Markdown</c>.</summary>
    public IReadOnlyList<string> Reports { get; init; } = ["Json"];

    /// <summary>Most threads to use.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Full path of the folder that <c>MetricCommand</c> runs in: the project's. Null = that of the source.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>The folder that <c>MetricCommand</c> runs in.</summary>
    internal string MetricFolder => WorkingDirectory ?? Path.GetDirectoryName(SourcePath)!;

    /// <summary>What a lock file says about this model; null without one.</summary>
    public Locking.ModelLock? Lock { get; init; }

    /// <summary>Destination relative to the output folder, with forward slashes: what lock files call the result. Empty = the identity.</summary>
    public string Target { get; init; } = "";

    /// <summary>Told how far the run is, from any thread; or null.</summary>
    public Action<RunProgress>? Progress { get; init; }

    /// <summary>Measures latency even when no gate asks for it.</summary>
    public bool MeasureLatency { get; init; }
}

/// <summary>What became of a model.</summary>
public enum CompressionStatus
{
    /// <summary>The result is a compressed model.</summary>
    Compressed,

    /// <summary>The result is a copy of the source: nothing was gained, or a failed gate keeps the original.</summary>
    Original,

    /// <summary>There is no result; an error was reported and an earlier result is left in place.</summary>
    Failed,
}

/// <summary>Outcome of one model.</summary>
public sealed record CompressionOutcome
{
    /// <summary>What became of the model.</summary>
    public required CompressionStatus Status { get; init; }

    /// <summary>The report; null when failed.</summary>
    public Reports.CompressionReport? Report { get; init; }

    /// <summary>True if the result was taken from a cache.</summary>
    public bool FromCache { get; init; }

    /// <summary>Full paths of the report files written, JSON first.</summary>
    public IReadOnlyList<string> ReportPaths { get; init; } = [];

    /// <summary>Full paths of files written beside the model that belong to it (external data).</summary>
    public IReadOnlyList<string> AdditionalOutputs { get; init; } = [];

    /// <summary>What the result was made with that was learnt by running the model.</summary>
    public Statistics.Measurements Measured { get; init; } = Statistics.Measurements.None;

    /// <summary>The model's entry for the lock file; null when none was asked for.</summary>
    public Locking.LockedModel? Locked { get; init; }

    /// <summary>Full paths of files that were read besides the model and the data the settings name (external data of the source).</summary>
    public IReadOnlyList<string> Dependencies { get; init; } = [];
}
